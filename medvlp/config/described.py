"""What a field of a record holds, in words that go with the field into schema files."""

from __future__ import annotations

__all__ = ["about"]


def about(text: str) -> dict[str, str]:
    """Return the metadata of a field that says what it holds; the schema file repeats it.

    Args:
        text: What it holds, as a sentence.
    """
    return {"description": text}

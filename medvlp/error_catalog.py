"""The catalogue behind ``medvlp explain CODE``; its texts stand in ``error_catalog.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Explanation", "load_catalog"]


@dataclass(frozen=True)
class Explanation:
    """The longer text behind a code.

    Attributes:
        title: One line, lower case, no full stop.
        meaning: What the program found, in plain words.
        remedy: What a user can do.
    """

    title: str
    meaning: str
    remedy: str


@cache
def load_catalog() -> dict[str, Explanation]:
    """Return every code with its explanation, in the order of the codes."""
    text = resources.files("medvlp").joinpath("error_catalog.toml").read_text(encoding="utf-8")
    return {
        code: Explanation(**{name: " ".join(part.split()) for name, part in parts.items()})
        for code, parts in tomllib.loads(text).items()
    }

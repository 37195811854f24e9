"""Whether a state belongs to a run: what decides a step is compared, and named if it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["check_same_run"]


def check_same_run(stored: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse a state that another configuration has left.

    Args:
        stored: What the checkpoint holds.
        own: What this run would hold.

    Raises:
        DataError: MV1709, naming what differs.
    """
    there, here = _flat(stored), _flat(own)
    differing = [
        f"{key}: {there.get(key)!r} there, {here.get(key)!r} here"
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key)
    ]
    if differing:
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise DataError(
            "MV1709",
            f"the run's checkpoint was made with other settings: {'; '.join(differing[:3])}{more}",
            expected="the configuration that the run began with",
            hint="restore it, or give the new run a folder of its own",
        )


def _flat(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        parts = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    return {path: list(value) if isinstance(value, tuple) else value}

"""Whether a state belongs to a run: what decides a step is compared, and named if it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

__all__ = ["check_same_run", "check_same_step", "check_takers"]


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


def check_takers(stored: Iterable[str], own: Iterable[str]) -> None:
    """Refuse a state that holds a part which nothing in this run takes up.

    Args:
        stored: Names of the callbacks that left a state.
        own: Names of the callbacks of this run.

    Raises:
        DataError: MV1709, naming them.
    """
    left = sorted({*stored} - {*own})
    if left:
        raise DataError(
            "MV1709",
            f"the run's checkpoint holds the state of {', '.join(left)}, which this run lacks",
            expected="the callbacks that the run began with",
            hint="give trainer.callbacks as they were, or give the new run a folder of its own",
        )


def check_same_step(steps: Sequence[int], folder: Path) -> None:
    """Refuse ranks that have taken up different checkpoints.

    Args:
        steps: Where each rank stands.
        folder: The run's folder of checkpoints.

    Raises:
        DataError: MV1712, naming two ranks.
    """
    other = next((rank for rank, step in enumerate(steps) if step != steps[0]), None)
    if other is not None:
        raise DataError(
            "MV1712",
            f"rank 0 goes on after step {steps[0]} and rank {other} after step {steps[other]}",
            expected=f"all ranks to see the same files in {folder}",
            hint="put run.folder on a drive that all nodes share; start the job again where a "
            "network drive was late",
        )


def _flat(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        parts = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    return {path: list(value) if isinstance(value, tuple) else value}

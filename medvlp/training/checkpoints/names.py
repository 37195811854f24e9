"""Where checkpoints of a run lie and which of them is the newest; needs neither torch nor a run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CHECKPOINTS_FOLDER", "LATEST", "checkpoint_path", "list_checkpoints", "newest_step"]

CHECKPOINTS_FOLDER = "checkpoints"
LATEST = "latest.json"
_NAME = re.compile(r"step_(\d{9,})")


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies.

    Args:
        folder: The run's folder of checkpoints.
        step: Optimiser steps that were finished.
    """
    return folder / f"step_{step:09d}"


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return steps and folders of all checkpoints, the oldest first.

    Args:
        folder: The run's folder of checkpoints; it may be missing.
    """
    if not folder.is_dir():
        return []
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match and path.is_dir())


def newest_step(folder: Path) -> int | None:
    """Return the step that ``latest.json`` names; None where there is none to read.

    Args:
        folder: The run's folder of checkpoints; it may be missing.
    """
    try:
        name = json.loads((folder / LATEST).read_text(encoding="utf-8"))["latest"]
        match = _NAME.fullmatch(name)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(match[1]) if match else None

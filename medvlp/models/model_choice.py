"""What the weights of a model were chosen on, whatever kind of folder it is kept in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from medvlp.config.selection import SelectionRecord
from medvlp.config.strict import parse_model
from medvlp.models.folders import model_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["model_choice"]

_LIBRARIES = ("timm:", "open_clip:", "volume:")
_MAX_BYTES = 2**26


def model_choice(name: str) -> SelectionRecord | None:
    """Return what the description of a model says of the choice of its weights.

    Args:
        name: A folder, ``hf-hub:owner/name``, or the name of a library's network, of which nothing
            is known.

    Returns:
        The record; None where the model has no description, or it keeps no record.

    Raises:
        ConfigError: MV1001 or MV1002 if the record is none.
        ModelError: MV14xx if there is no such model.
    """
    if name.startswith(_LIBRARIES):
        return None
    folder = model_folder(name)
    for path in sorted(folder.glob("*.json")):
        found = _provenance(path).get("selection")
        if isinstance(found, dict):
            return parse_model(found, SelectionRecord, source=str(path))
    return None


def _provenance(path: Path) -> dict[str, Any]:
    """Return where a model comes from, if the file is a description that says so."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    found = document.get("provenance") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}

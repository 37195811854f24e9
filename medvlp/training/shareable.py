"""Settings without what names a place of this machine, fit to be kept beside weights."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["without_local_paths"]

_LOCAL_KEYS = {
    "folder",
    "file",
    "graph",
    "captions_of",
    "image_from",
    "text_from",
    "text_features",
    "texts_from",
    "exclude_synonyms_file",
    "generator_from",
    "default_root_dir",
    "dirpath",
    "save_dir",
}


def without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what names a place of this machine, at any depth.

    Args:
        config: Settings by name.
    """
    return {
        key: _shareable(value)
        for key, value in config.items()
        if key not in _LOCAL_KEYS and not _is_local(value)
    }


def _shareable(value: object) -> object:
    if isinstance(value, dict):
        return without_local_paths(value)
    if isinstance(value, list):
        return [_shareable(item) for item in value if not _is_local(item)]
    return value


def _is_local(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.startswith(("/", "~")) or PureWindowsPath(value).is_absolute()

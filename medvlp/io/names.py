"""Names of cases that are safe in every file system and never leave their folder."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["case_keys", "is_safe_key"]

_MAX_NAME_CHARS = 100
_HASH_CHARS = 8
_KNOWN_SUFFIXES = (
    # two-part suffixes first: the longest that fits is stripped
    *(".ome.tiff", ".ome.tif", ".nii.gz", ".dicom.dcm"),
    *(".svs", ".tiff", ".tif", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".svslide", ".bif"),
    *(".czi", ".vsi", ".dcm", ".nii", ".mha", ".mhd", ".nrrd", ".png", ".jpeg", ".jpg"),
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_SAFE_KEY = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?")
_WINDOWS_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


def case_keys(case_ids: Iterable[str]) -> dict[str, str]:
    """Give every case the name under which its outputs are stored.

    A known suffix of slides, scans and images is stripped (``slide_001.svs`` gives ``slide_001``).
    What is not an ASCII letter or digit, ``.``, ``_`` or ``-`` becomes ``_``, so does a dot at
    either end; a name that Windows reserves gets a ``_`` in front; the name is cut at 100
    characters. Where that changed it, or where two names would meet (letter case does not tell them
    apart), ``-`` and 8 hex digits of sha256(case_id) are appended. The result depends on the set of
    ids only, not on their order.

    Args:
        case_ids: The user's names of all cases of a run; repeated ids count once.

    Returns:
        The key of every id: 1 to 109 characters (more only where two hashes meet), unique among the
        ids without regard to letter case, and never a path, a hidden file or a reserved name.
    """
    names = {case_id: _safe_name(case_id) for case_id in case_ids}
    digests = {case_id: _digest(case_id) for case_id in names}
    hash_chars = {
        case_id: _HASH_CHARS if name != _without_suffix(case_id) else 0
        for case_id, name in names.items()
    }
    while True:
        keys = {
            case_id: f"{name}-{digests[case_id][:count]}"
            if (count := hash_chars[case_id])
            else name
            for case_id, name in names.items()
        }
        meeting = _meeting(keys)
        if not meeting:
            return keys
        unhashed = [case_id for case_id in meeting if not hash_chars[case_id]]
        for case_id in unhashed or meeting:
            hash_chars[case_id] += _HASH_CHARS


def is_safe_key(name: str) -> bool:
    """Tell whether a name can be a file or folder name below any folder without leaving it.

    Args:
        name: A name, such as one that :func:`case_keys` made.
    """
    return bool(_SAFE_KEY.fullmatch(name)) and not _WINDOWS_RESERVED.match(name)


def _safe_name(case_id: str) -> str:
    name = _UNSAFE.sub("_", _without_suffix(case_id))[:_MAX_NAME_CHARS]
    kept = name.strip(".")
    start = len(name) - len(name.lstrip("."))
    name = "_" * start + kept + "_" * (len(name) - start - len(kept))
    if _WINDOWS_RESERVED.match(name):
        name = f"_{name}"[:_MAX_NAME_CHARS]
    return name or "case"


def _without_suffix(case_id: str) -> str:
    lowered = case_id.lower()
    for suffix in _KNOWN_SUFFIXES:
        if lowered.endswith(suffix):
            stem = case_id[: len(case_id) - len(suffix)]
            return stem if stem and stem[-1] not in "/\\." else case_id
    return case_id


def _digest(case_id: str) -> str:
    # Names from a file system may hold lone surrogates, which strict UTF-8 refuses.
    return hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).hexdigest()


def _meeting(keys: dict[str, str]) -> list[str]:
    by_folded: dict[str, list[str]] = defaultdict(list)
    for case_id, key in keys.items():
        by_folded[key.lower()].append(case_id)
    return [case_id for group in by_folded.values() if len(group) > 1 for case_id in group]

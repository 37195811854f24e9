"""Masks as they lie beside scans: one label map, or a folder with one file for each organ."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.io import content_sha256
from medvlp.volumes.label_names import LabelScheme, label_names
from medvlp.volumes.masks import LabelMap, read_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.volumes.geometry import VolumeGeometry

__all__ = [
    "GUARD_ORGANS",
    "is_organ_folder",
    "mask_content_sha256",
    "mask_stem",
    "organ_files",
    "read_organ_mask",
]

_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".dcm")
GUARD_ORGANS = (
    *("liver", "spleen", "stomach", "aorta", "pancreas", "gallbladder", "inferior_vena_cava"),
    *("kidney_left", "kidney_right", "heart", "urinary_bladder", "vertebrae_L1", "trachea"),
)
"""Organs that tell the sides of the body apart; the others of a folder are not read."""


def mask_stem(name: str) -> str:
    """Return the name of a file without the suffix of a mask or scan."""
    lowered = name.lower()
    for suffix in (*_SUFFIXES, ".b2nd"):
        if lowered.endswith(suffix):
            return name[: -len(suffix)]
    return name


def organ_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder that are named after an organ, by that name.

    Args:
        folder: A folder as TotalSegmentator writes it: ``kidney_left.nii.gz``, ``liver.nii.gz``.
    """
    known = set(label_names("totalsegmentator").values()) | {"kidney", "tumor", "cyst", "lung"}
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    found = {mask_stem(path.name): path for path in files if mask_stem(path.name) != path.name}
    return {name: path for name, path in found.items() if name in known}


def is_organ_folder(names: Sequence[str]) -> bool:
    """Say whether file names are those of a folder with one mask for each organ.

    Args:
        names: Names of all files of the folder.
    """
    known = set(label_names("totalsegmentator").values())
    masks = [mask_stem(name) for name in names if mask_stem(name) != name]
    return bool(masks) and all(stem in known for stem in masks)


def read_organ_mask(
    path: Path,
    *,
    like: VolumeGeometry,
    names: LabelScheme | None,
    region: str,
) -> LabelMap:
    """Read what is needed of a mask to find an organ and to tell the sides of the body apart.

    Args:
        path: A label map, or a folder with one file for each organ.
        like: Geometry of the scan.
        names: Scheme of the labels, for files that do not name them themselves.
        region: Name of the organ.

    Raises:
        VolumeError: See :func:`medvlp.volumes.masks.read_mask`; MV2243 where a folder has no file
            for the organ.
    """
    if path.is_dir():
        return _read_folder(path, like, region)
    mask = read_mask(path, like=like)
    if mask.names:
        return mask
    if names is not None:
        return replace(mask, names=label_names(names))
    stem = mask_stem(path.name)
    if mask.present() == [1] and stem in label_names("totalsegmentator").values():
        return replace(mask, names={1: stem})
    return mask


def mask_content_sha256(path: Path) -> str:
    """Hash the bytes of a mask, or of all files of its folder."""
    return content_sha256(path, companions=False)


def _read_folder(folder: Path, like: VolumeGeometry, region: str) -> LabelMap:
    files = organ_files(folder)
    wanted = [
        name
        for name in files
        if name in {region, f"{region}_left", f"{region}_right"} or name in GUARD_ORGANS
    ]
    if not any(name == region or name.startswith(f"{region}_") for name in wanted):
        raise VolumeError(
            "MV2243",
            f"{folder.name} holds no file for {region!r}; it holds {', '.join(list(files)[:8])}",
            expected=f"{region}.nii.gz, or {region}_left.nii.gz and {region}_right.nii.gz",
        )
    labels = np.zeros(like.shape_zyx, np.uint8)
    names: dict[int, str] = {}
    for name in wanted:
        try:
            part = read_mask(files[name], like=like)
        except VolumeError as error:
            if error.code == "MV2241":  # TotalSegmentator writes empty files for absent organs
                continue
            raise
        number = len(names) + 1
        labels[part.labels > 0] = number
        names[number] = name
    mask = LabelMap(labels, like, names)
    if not any(name == region or name.startswith(f"{region}_") for name in names.values()):
        raise VolumeError(
            "MV2241",
            f"{folder.name}: the files for {region!r} are empty",
            expected=f"a mask in which {region!r} was drawn",
            hint="leave out scans that do not show it, or give another mask",
        )
    return mask

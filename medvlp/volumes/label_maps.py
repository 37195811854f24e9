"""Tell a label map from a scan by its values, reading no more of it than that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import read_planes
from medvlp.volumes.masks import MASK_LIMITS
from medvlp.volumes.metaimage_reader import open_metaimage
from medvlp.volumes.nifti_reader import embedded_label_names, open_nifti
from medvlp.volumes.nrrd_reader import open_nrrd

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.volumes.files import FileKind
    from medvlp.volumes.grid_source import GridSource

__all__ = ["is_label_map"]

_MOST_LABELS = 130
_LARGEST_LABEL = 65535
_BACKGROUND_SHARE = 0.25
_PLANES = 48
_WHOLE = 1e-3


def is_label_map(path: Path, kind: FileKind) -> bool:
    """Say whether a file holds the labels of structures and no scan.

    A label map holds whole numbers from 0 on, few different ones, and much background. Scans give
    themselves away within the first planes: by values below zero or by many different ones.

    Args:
        path: A NIfTI, NRRD or MetaImage file.
        kind: What :func:`medvlp.volumes.files.file_kind` said.

    Returns:
        False too where the file cannot be read: its reader will tell why.
    """
    try:
        if kind in {"nifti", "nifti-gzip"}:
            source = open_nifti(path, limits=MASK_LIMITS)
            if embedded_label_names(source):
                return True
        elif kind == "nrrd":
            source = open_nrrd(path, limits=MASK_LIMITS)
        elif kind == "metaimage":
            source = open_metaimage(path, limits=MASK_LIMITS)
        else:
            return False
        return _holds_labels(source)
    except VolumeError:
        return False


def _holds_labels(source: GridSource) -> bool:
    shape = source.geometry.shape_zyx
    step = max(shape[0] // _PLANES, 1)
    labels: set[int] = set()
    background = seen = 0
    for z, plane in enumerate(read_planes(source.body, ((0, 0, 0), shape))):
        if z % step:
            continue
        numbers = _whole_numbers(plane, source)
        if numbers is None:
            return False
        counts = np.bincount(numbers)
        labels.update(np.flatnonzero(counts).tolist())
        background += int(counts[0])
        seen += numbers.size
        if len(labels) > _MOST_LABELS:
            return False
    return seen > 0 and background > _BACKGROUND_SHARE * seen


def _whole_numbers(plane: NDArray[np.generic], source: GridSource) -> NDArray[np.int64] | None:
    """Return the labels of a plane as a row, or None where its values are none."""
    values = np.asarray(plane).ravel()
    if source.slope != 1 or source.intercept != 0:
        values = values.astype(np.float64) * source.slope + source.intercept
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        with np.errstate(invalid="ignore"):
            if not (np.abs(values - rounded) <= _WHOLE).all():
                return None
        values = rounded
    if values.min() < 0 or values.max() > _LARGEST_LABEL:
        return None
    return values.astype(np.int64)

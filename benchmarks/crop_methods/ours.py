"""Our way: open the scan, read the voxels around the box, interpolate once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from benchmarks.crop_methods.tasks import Found
from medvlp.volumes.crops import CropSpec, crop_volume
from medvlp.volumes.reader import open_volume

if TYPE_CHECKING:
    from benchmarks.crop_methods.tasks import Task

__all__ = ["crop_box"]

LOADED = (imagecodecs.jpeg2k_decode,)  # this codec is imported when it is first named


def crop_box(task: Task, method: str) -> Found:
    """Cut one box; there is one ``method``."""
    z_mm, y_mm, x_mm = (n * mm for n, mm in zip(task.shape_zyx, task.spacing_mm, strict=True))
    spec = CropSpec(box_mm=(z_mm, y_mm, x_mm), spacing_mm=task.spacing_mm, orientation="LPS")
    with open_volume(task.path) as source:
        crop = crop_volume(source, task.centre_lps_mm, spec)
    return Found(crop.values, np.asarray(crop.geometry.origin_lps_mm))

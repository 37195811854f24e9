"""What one writes by hand: nibabel or pydicom, and one call of scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pydicom
from scipy import ndimage

from benchmarks.crop_methods.tasks import LPS_TO_RAS, Found

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.crop_methods.tasks import Task

__all__ = ["crop_box"]


def crop_box(task: Task, method: str) -> Found:
    """Cut one box; there is one ``method``."""
    voxels, affine = (_read_dicom if task.path.is_dir() else _read_nifti)(task.path)
    start, step = _axis_grid(task, affine, voxels.shape)
    shape_xyz = task.shape_zyx[::-1]
    ends = np.sort([start, start + step * (np.asarray(shape_xyz) - 1)], axis=0)
    low, high = np.floor(ends[0]).astype(int), np.ceil(ends[1]).astype(int) + 1
    box = np.asarray(voxels[tuple(map(slice, low, high))])
    values = ndimage.affine_transform(
        box, step, start - low, shape_xyz, np.float32, order=1, mode="nearest"
    )
    first = affine[:3, :3] @ start + affine[:3, 3]
    return Found(values.transpose(2, 1, 0), LPS_TO_RAS * first)


def _read_nifti(path: Path) -> tuple[Any, NDArray[np.float64]]:
    image: Any = nibabel.load(path)
    return image.dataobj, image.affine


def _read_dicom(path: Path) -> tuple[Any, NDArray[np.float64]]:
    slices = [pydicom.dcmread(file) for file in path.iterdir()]
    slices.sort(key=lambda item: float(item.ImagePositionPatient[2]))
    row_mm, column_mm = (float(mm) for mm in slices[0].PixelSpacing)
    start = np.asarray(slices[0].ImagePositionPatient, dtype=np.float64)
    height_mm = float(slices[-1].ImagePositionPatient[2]) - start[2]
    affine = np.diag([-column_mm, -row_mm, height_mm / (len(slices) - 1), 1.0])
    affine[:3, 3] = LPS_TO_RAS * start
    stored = np.stack([item.pixel_array.T for item in slices], axis=-1)
    slope, intercept = slices[0].RescaleSlope, slices[0].RescaleIntercept
    return stored * np.float32(slope) + np.float32(intercept), affine


def _axis_grid(
    task: Task, affine: NDArray[np.float64], shape_xyz: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, per array axis, the voxel index of the first sample and the voxels per sample.

    The axes of the array must be those of the body, as they are in the scans measured here.
    """
    columns = np.diag(affine)[:3]
    is_turned = columns * LPS_TO_RAS < 0
    last = np.asarray(shape_xyz, dtype=np.float64) - 1
    centre = (np.linalg.inv(affine) @ [*LPS_TO_RAS * task.centre_lps_mm, 1.0])[:3]
    step = np.asarray(task.spacing_mm[::-1]) / np.abs(columns)
    from_start = np.where(is_turned, last - centre, centre)
    start = (np.rint(from_start / step) - np.asarray(task.shape_zyx[::-1]) // 2) * step
    return np.where(is_turned, last - start, start), np.where(is_turned, -step, step)

"""MONAI's way: LoadImaged, Orientationd, Spacingd, SpatialCropd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from monai.transforms.croppad.dictionary import SpatialCropd
from monai.transforms.io.dictionary import LoadImaged
from monai.transforms.lazy.functional import apply_pending_transforms
from monai.transforms.spatial.dictionary import Orientationd, Spacingd
from monai.transforms.utility.dictionary import EnsureChannelFirstd

from benchmarks.crop_methods.tasks import (
    LPS_TO_RAS,
    MONAI_ITK,
    MONAI_LAZY,
    MONAI_NIBABEL,
    MONAI_PYDICOM,
    Found,
)

if TYPE_CHECKING:
    from benchmarks.crop_methods.tasks import Task

__all__ = ["crop_box"]

_READERS = {
    MONAI_NIBABEL: "NibabelReader",
    MONAI_LAZY: "NibabelReader",
    MONAI_PYDICOM: "PydicomReader",
    MONAI_ITK: "ITKReader",
}


def crop_box(task: Task, method: str) -> Found:
    """Cut one box; where ``method`` is the lazy one, MONAI resamples the box alone."""
    lazy = method == MONAI_LAZY
    data: Any = LoadImaged("image", reader=_READERS[method])({"image": str(task.path)})
    data = EnsureChannelFirstd("image")(data)
    data = Orientationd("image", axcodes="LPS", labels=None, lazy=lazy)(data)
    data = Spacingd("image", pixdim=task.spacing_mm[::-1], mode="bilinear", lazy=lazy)(data)
    image = data["image"]
    affine = np.asarray(image.peek_pending_affine() if lazy else image.affine)
    place = np.linalg.inv(affine) @ [*LPS_TO_RAS * task.centre_lps_mm, 1.0]
    centre = [round(float(index)) for index in place[:3]]
    data = SpatialCropd("image", roi_center=centre, roi_size=task.shape_zyx[::-1], lazy=lazy)(data)
    if lazy:
        data = apply_pending_transforms(data, ("image",))
    image = data["image"]
    values = np.asarray(image[0]).transpose(2, 1, 0).astype(np.float32)
    return Found(values, LPS_TO_RAS * np.asarray(image.affine)[:3, 3])

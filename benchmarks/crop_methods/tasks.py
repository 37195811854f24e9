"""What is cropped, what comes out, and by which methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "FEW_LINES",
    "LPS_TO_RAS",
    "METHODS",
    "MODULES",
    "MONAI_ITK",
    "MONAI_LAZY",
    "MONAI_NIBABEL",
    "MONAI_PYDICOM",
    "OURS",
    "PEERS",
    "Found",
    "Task",
]

OURS, FEW_LINES = "medvlp", "a few lines"
MONAI_NIBABEL, MONAI_PYDICOM, MONAI_ITK = "MONAI (nibabel)", "MONAI (pydicom)", "MONAI (itk)"
MONAI_LAZY = "MONAI, lazy"
METHODS = {
    "nifti": (OURS, MONAI_NIBABEL, MONAI_LAZY, FEW_LINES),
    "dicom": (OURS, MONAI_PYDICOM, MONAI_ITK, FEW_LINES),
    "stored": (OURS,),
}
"""Methods for each format. MONAI's first reader of NIfTI is nibabel's, of DICOM itk's."""

PEERS = (MONAI_NIBABEL, MONAI_PYDICOM, MONAI_ITK)
"""The methods that ours is judged against, where they can read the scan."""

MODULES = {
    OURS: "ours",
    FEW_LINES: "few_lines",
    MONAI_NIBABEL: "monai_chain",
    MONAI_PYDICOM: "monai_chain",
    MONAI_ITK: "monai_chain",
    MONAI_LAZY: "monai_chain",
}
LPS_TO_RAS = np.asarray([-1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Task:
    """One box of one scan.

    Attributes:
        path: The file, or the folder of a DICOM series.
        centre_lps_mm: Centre of the box as ``(x, y, z)``.
        shape_zyx: Samples of the box.
        spacing_mm: Their distance along ``(z, y, x)``.
    """

    path: Path
    centre_lps_mm: tuple[float, float, float]
    shape_zyx: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Found:
    """A crop.

    Attributes:
        values: Hounsfield units ``(z, y, x)``.
        first_lps_mm: Place of the first sample as ``(x, y, z)``.
    """

    values: NDArray[np.float32]
    first_lps_mm: NDArray[np.float64]

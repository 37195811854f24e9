"""Records that travel between the layers; no behaviour beyond their own fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Case", "ImagePreprocessing", "Interpolation", "Modality"]

Modality = Literal["slide", "ct", "radiograph"]
Interpolation = Literal["bicubic", "bilinear"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to diagnose: a slide, a scan or an image.

    Attributes:
        case_id: The user's name of the case: a manifest column, else the path below the input.
        case_key: Name of this case's outputs; safe in every file system.
        path: Local path of the file (or of the main file of a multi-file format).
        modality: What kind of case it is.
        slide_mpp: Micrometres per level-0 pixel stated by the user, or None.
        companions: Further files of the same case (the other levels of a DICOM slide).
    """

    case_id: str
    case_key: str
    path: Path
    modality: Modality
    slide_mpp: float | None = None
    companions: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImagePreprocessing:
    """How an image encoder wants its pixels: resize, centre crop, scale to [0, 1], normalise.

    Attributes:
        input_px: Side of the square model input, in pixels.
        resize_px: Shorter side after resizing and before the centre crop, in pixels.
        interpolation: Resampling filter of the resize (PIL's, with antialiasing).
        mean: Per-channel mean subtracted after scaling to [0, 1], order RGB.
        std: Per-channel standard deviation divided by, order RGB.
    """

    input_px: int
    resize_px: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

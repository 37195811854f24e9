"""Records that travel between the layers; no behaviour beyond their own fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "Case",
    "ImagePreprocessing",
    "Interpolation",
    "Modality",
    "RadiographPreprocessing",
    "TensorAxes",
    "VolumePreprocessing",
]

Modality = Literal["slide", "ct", "radiograph"]
Interpolation = Literal["bicubic", "bilinear"]
TensorAxes = Literal["zyx", "zxy", "xyz"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to diagnose: a slide, a scan or an image.

    Attributes:
        case_id: The user's name of the case: a manifest column, else the path below the input.
        case_key: Name of this case's outputs; safe in every file system.
        path: Local path of the file (or of the main file of a multi-file format).
        modality: What kind of case it is.
        slide_mpp: Micrometres per level-0 pixel stated by the user, or None.
        companions: Further files of the same case (the other levels of a DICOM slide, the other
            slices of a series).
        mask: A label map of the organs of a scan, on the grid of the scan, or a folder with one
            file for each organ, or None.
        series: Which scan of ``path`` it is where that holds several (an archive, a file with
            several passes), else empty.
    """

    case_id: str
    case_key: str
    path: Path
    modality: Modality
    slide_mpp: float | None = None
    companions: tuple[Path, ...] = ()
    mask: Path | None = None
    series: str = ""


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


@dataclass(frozen=True, kw_only=True)
class VolumePreprocessing:
    """How a volume encoder wants a scan: resampled, turned, cut into boxes, windowed.

    Each input of the encoder ("unit") is one box of the scan, cut with one linear interpolation in
    Hounsfield units; the window follows after it.

    Attributes:
        spacing_mm: Distance of voxels along ``(z, y, x)``, in mm.
        shape_zyx: Voxels of a box along ``(z, y, x)``.
        orientation: Sides towards which x, y and z of the box grow, such as ``LPS``; the axes stay
            those of the scan that lie nearest.
        axes: Order in which the axes of the box are handed to the encoder, behind the channel.
        window_hu: Values that become the ends of ``output_range``; what lies beyond is clipped.
        output_range: Values that the encoder sees at the ends of the window.
        air_hu: Value of places outside the scan.
        region: Name of the organ that boxes are centred on, one box for each side of a pair; None
            where boxes cover the whole scan.
        overlap: Share of a box that the next one repeats where boxes cover the whole scan; None
            there for one box around the scan's middle.
    """

    spacing_mm: tuple[float, float, float]
    shape_zyx: tuple[int, int, int]
    orientation: str
    axes: TensorAxes
    window_hu: tuple[float, float]
    output_range: tuple[float, float] = (0.0, 1.0)
    air_hu: float = -1000.0
    region: str | None = None
    overlap: float | None = 0.0

    @property
    def box_mm(self) -> tuple[float, float, float]:
        """Size of a box along ``(z, y, x)``, in mm."""
        z, y, x = (n * s for n, s in zip(self.shape_zyx, self.spacing_mm, strict=True))
        return z, y, x


@dataclass(frozen=True, kw_only=True)
class RadiographPreprocessing:
    """How a network wants a radiograph: framed into a square, aspect kept, values as displayed.

    Readers hand on values in [0, 1], bright where dense; the network itself subtracts ``mean`` and
    divides by ``std``.

    Attributes:
        input_px: Side of the square input, in pixels.
        channels: Channels that the network takes; a grey image is repeated for 3.
        mean: What the network subtracts, for each channel or one number for all.
        std: What it then divides by.
    """

    input_px: int
    channels: Literal[1, 3] = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)

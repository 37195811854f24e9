"""An X-ray in memory: gray levels as displayed, and what the file says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Radiograph", "RadiographView", "Side", "ValueRange"]

RadiographView = Literal["PA", "AP", "LATERAL"]
Side = Literal["L", "R"]
ValueRange = Literal["window", "voi-lut", "stored-range", "full-range", "percentiles"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Radiograph:
    """One X-ray as it is displayed.

    Attributes:
        pixels: Gray levels, shape ``(H, W)``, float32, in [0, 1]; bright where the body is dense.
            Rows run to the patient's feet and, in frontal views, columns to the patient's left,
            where the file states how it lies.
        spacing_mm: Distance of pixel centres along ``(row, column)`` in mm, or None. At the
            detector unless the file was calibrated (told in the notes).
        view: Direction of the beam, or None where the file does not tell.
        laterality: Side of the body that a picture of one side shows, or None.
        bits_stored: Bits of a stored gray level that count.
        photometric: DICOM's photometric interpretation as stored; ``MONOCHROME2`` for PNG and JPEG.
        value_range: How stored values became [0, 1]: ``window`` (a DICOM window or the caller's),
            ``voi-lut`` (a table of the file), ``stored-range`` (all values that the stored bits of
            a DICOM file allow), ``full-range`` (the same of a picture of at most 8 bits) or
            ``percentiles`` (more bits and no window: see :mod:`medvlp.radiographs.display`).
        burned_in: Whether the file says that text is drawn into the pixels; None where it is
            silent. Pixels are not searched for text.
        notes: What was noticed while reading, in sentences without text from the file.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None
    view: RadiographView | None
    laterality: Side | None
    bits_stored: int
    photometric: str
    value_range: ValueRange
    burned_in: bool | None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pixels of another kind."""
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            msg = f"pixels must be (H, W) float32, got {self.pixels.shape} {self.pixels.dtype}"
            raise ValueError(msg)

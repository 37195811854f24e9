"""Read one frame of a DICOM X-ray as it is displayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import RadiographError
from medvlp.io.codestreams import is_lossy_syntax, is_readable_syntax
from medvlp.io.dicom_frames import check_extent, read_frame
from medvlp.io.dicom_values import uid_name
from medvlp.io.pixel_layout import has_plain_bits
from medvlp.radiographs.display import Window, look_up, percentile_range, window_values
from medvlp.radiographs.frames import chosen_frame
from medvlp.radiographs.header import RadiographHeader, read_radiograph_header
from medvlp.radiographs.image import Radiograph
from medvlp.radiographs.views import laterality_of, upright, view_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.radiographs.image import ValueRange
    from medvlp.radiographs.limits import RadiographLimits

__all__ = ["is_radiograph", "is_radiograph_header", "read_dicom_radiograph"]

_MODALITIES = frozenset({"CR", "DX", "RG", "PX", "IO", "MG"})
"""DICOM's words for single projections on a detector, an imaging plate or film."""

_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
_CLASSES = tuple(f"{_STORAGE}{end}" for end in ("", ".1", ".1.1", ".2", ".2.1", ".3", ".3.1"))
_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_MAX_BITS = 16
_PLAIN_BITS = 8


def is_radiograph(modality: str, sop_class: str) -> bool:
    """Say whether an object is an X-ray by its modality, or by its class where that is absent.

    Args:
        modality: DICOM's word, empty where the file does not tell.
        sop_class: UID of the kind of object.
    """
    return modality in _MODALITIES or (not modality and sop_class in _CLASSES)


def is_radiograph_header(header: RadiographHeader) -> bool:
    """Say whether an object is an X-ray with pixels."""
    kind = is_radiograph(header.modality, header.sop_class)
    return kind and bool(header.pixels.rows and header.pixels.columns and header.pixels.offset)


def read_dicom_radiograph(
    path: Path, *, frame: int | None, window: Window | None, limits: RadiographLimits
) -> Radiograph:
    """Read an X-ray from DICOM; see :func:`medvlp.radiographs.reader.read_radiograph`."""
    header = read_radiograph_header(path, limits.rules)
    _check_kind(header)
    _check_pixels(header, limits)
    place = header.place(chosen_frame(path.name, header.pixels.frames, frame))
    check_extent(place, limits.rules)
    stored = read_frame(place, limits.rules)
    pixels, value_range, notes = _displayed(header, stored, window)
    pixels, spacing, turned = upright(pixels, header.spacing_mm, header.orientation)
    view, view_notes = view_of(header.view_position, header.view_codes, header.orientation)
    return Radiograph(
        pixels=pixels,
        spacing_mm=spacing,
        view=view,
        laterality=laterality_of(*header.lateralities),
        bits_stored=header.pixels.bits_stored,
        photometric=header.pixels.photometric,
        value_range=value_range,
        burned_in=header.burned_in,
        notes=(*header.notes, *_header_notes(header), *notes, *turned, *view_notes),
    )


def _check_kind(header: RadiographHeader) -> None:
    if is_radiograph_header(header):
        return
    name = header.path.name
    if not header.pixels.offset or not header.pixels.rows or not header.pixels.columns:
        sort = uid_name(header.sop_class) if header.sop_class else "an object of unknown kind"
        raise RadiographError("MV2405", f"{name} holds no image: {sort}", expected="an X-ray")
    raise RadiographError(
        "MV2405",
        f"{name} has modality {header.modality[:16]!r}",
        expected="a radiograph: " + ", ".join(sorted(_MODALITIES)),
        hint="slices of CT and MR, slides and screen captures are no X-rays",
    )


def _check_pixels(header: RadiographHeader, limits: RadiographLimits) -> None:
    """Refuse what cannot become gray levels, before any pixel is decoded."""
    layout, name = header.pixels, header.path.name
    limits.check_size(name, layout.rows, layout.columns)
    if layout.samples != 1 or layout.photometric not in _GRAY:
        raise RadiographError(
            "MV2407",
            f"{name} has {layout.samples} samples a pixel, photometric interpretation "
            f"{layout.photometric[:20]!r}",
            expected="one sample, MONOCHROME1 or MONOCHROME2",
        )
    if not has_plain_bits(layout) or layout.bits_stored > _MAX_BITS:
        raise RadiographError(
            "MV2410",
            f"{name} stores {layout.bits_stored} bits up to bit {layout.high_bit} of "
            f"{layout.bits_allocated}",
            expected=f"whole bytes, and at most {_MAX_BITS} bits a pixel",
        )
    if not is_readable_syntax(layout.transfer_syntax):
        raise RadiographError(
            "MV2410",
            f"{name} has the transfer syntax {uid_name(layout.transfer_syntax)}",
            expected="uncompressed, deflated, RLE, JPEG, JPEG lossless, JPEG-LS or JPEG 2000",
            hint="export the file without compression",
        )


def _displayed(
    header: RadiographHeader, stored: NDArray[np.integer], window: Window | None
) -> tuple[NDArray[np.float32], ValueRange, tuple[str, ...]]:
    """Return gray levels, bright where dense, how they came about, and what was noticed."""
    low = -(1 << (header.pixels.bits_stored - 1)) if header.pixels.is_signed else 0
    every = np.arange(low, low + (1 << header.pixels.bits_stored), dtype=np.float64)
    if header.modality_table is not None:
        values = look_up(every, header.modality_table)
    else:
        with np.errstate(all="ignore"):
            values = every * header.slope + header.intercept
    at = stored.astype(np.int64) - low
    shown = _shown(header, stored)
    with np.errstate(all="ignore"):  # overflow is refused below
        levels, value_range, notes = _levels(header, values, at, shown, window)
    if not np.isfinite(levels).all():
        raise RadiographError(
            "MV2411", f"{header.path.name} rescales its values beyond what numbers can hold"
        )
    if header.pixels.photometric == "MONOCHROME1":
        levels = 1.0 - levels
    pixels = levels.astype(np.float32)[at]
    if shown is not None:
        pixels[~shown] = 0.0
        share = 1.0 - float(shown.mean())
        if share:
            notes = (*notes, f"{share:.1%} of the pixels are padding, shown black")
    return pixels, value_range, notes


def _shown(header: RadiographHeader, stored: NDArray[np.integer]) -> NDArray[np.bool_] | None:
    """Return which pixels are no padding; None where the file knows no padding."""
    if header.padding is None:
        return None
    first, last = header.padding
    return (stored < first) | (stored > last)


def _levels(
    header: RadiographHeader,
    values: NDArray[np.float64],
    at: NDArray[np.int64],
    shown: NDArray[np.bool_] | None,
    window: Window | None,
) -> tuple[NDArray[np.float64], ValueRange, tuple[str, ...]]:
    """Return the gray level of every value that the bits allow, before any inversion."""
    if window is not None:
        return window_values(values, window), "window", ()
    if header.voi_table is not None:
        table = header.voi_table
        return look_up(values, table) / ((1 << table.bits) - 1), "voi-lut", ()
    if header.windows:
        count = len(header.windows)
        notes = (f"the first of {count} windows is used",) if count > 1 else ()
        return window_values(values, header.windows[0]), "window", notes
    if header.pixels.bits_stored <= _PLAIN_BITS:
        ends: tuple[float, float] | None = (float(values.min()), float(values.max()))
        value_range: ValueRange = "stored-range"
        notes = ()
    else:
        ends, value_range = percentile_range(values[at], shown), "percentiles"
        notes = ("no window is stated; percentiles of the pixels inside the border are used",)
    low, high = ends if ends is not None and ends[0] < ends[1] else (0.0, np.inf)
    return np.clip((values - low) / (high - low), 0.0, 1.0), value_range, notes


def _header_notes(header: RadiographHeader) -> tuple[str, ...]:
    notes = []
    inverse = header.pixels.photometric == "MONOCHROME1"
    if header.shape and (header.shape == "INVERSE") != inverse:
        notes.append(
            f"{header.pixels.photometric} stands beside a presentation LUT shape that contradicts "
            "it; the photometric interpretation is followed"
        )
    if header.for_processing:
        notes.append("the values are stored for processing, not for looking at")
    if header.spacing_at_detector:
        notes.append("the spacing is that on the detector; the body is smaller")
    if header.is_lossy or is_lossy_syntax(header.pixels.transfer_syntax):
        notes.append("the pixels may have lost detail by lossy compression")
    return tuple(notes)

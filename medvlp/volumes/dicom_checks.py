"""What kind of DICOM object a frame is, and whether its pixels are Hounsfield units of a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from medvlp.errors import VolumeError
from medvlp.io.codestreams import is_lossy_syntax, is_readable_syntax
from medvlp.io.dicom_frames import check_extent
from medvlp.io.dicom_values import uid_name
from medvlp.io.pixel_layout import has_plain_bits
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from medvlp.volumes.dicom_slices import SliceHeader
    from medvlp.volumes.limits import VolumeLimits

__all__ = [
    "ObjectKind",
    "check_kind",
    "check_pixels",
    "is_ct_image",
    "object_kind",
    "rescale_findings",
]

ObjectKind = Literal["slice", "scout", "capture", "segmentation", "directory", "no image"]

_STORAGE = "1.2.840.10008.5.1.4.1.1"
_CT_CLASSES = frozenset({f"{_STORAGE}.2", f"{_STORAGE}.2.1", f"{_STORAGE}.2.2"})
_SEGMENTATIONS = frozenset({f"{_STORAGE}.66.4", f"{_STORAGE}.66.7"})
_DIRECTORY = "1.2.840.10008.1.3.10"
_CAPTURES = f"{_STORAGE}.7"
_CAPTURE_WORDS = frozenset({"SCREEN SAVE", "SCREENSAVE", "DOSE", "DOSE_INFO", "REPORT"})
_SCOUT_WORDS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM"})
_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_HOUNSFIELD = frozenset({"", "HU"})


def object_kind(header: SliceHeader) -> ObjectKind:
    """Say what kind of object a frame belongs to."""
    if header.sop_class in _SEGMENTATIONS or header.modality == "SEG":
        return "segmentation"
    if header.sop_class == _DIRECTORY:
        return "directory"
    if not header.pixels.rows or not header.pixels.columns or not header.pixels.offset:
        return "no image"
    is_capture = header.sop_class == _CAPTURES or header.sop_class.startswith(_CAPTURES + ".")
    if is_capture or header.is_converted or _CAPTURE_WORDS & set(header.image_type):
        return "capture"
    if _SCOUT_WORDS & set(header.image_type):
        return "scout"
    return "slice"


def is_ct_image(header: SliceHeader) -> bool:
    """Say whether an object is stored as a CT image, with pixels or without."""
    return header.sop_class in _CT_CLASSES


def check_kind(name: str, header: SliceHeader, modalities: Collection[str]) -> None:
    """Refuse what is no slice of a volume of the wanted modalities.

    Args:
        name: The series, for messages.
        header: Any frame of it.
        modalities: DICOM's words for what is wanted.

    Raises:
        VolumeError: MV2210 (another modality or no image) or MV2211 (capture, scout).
    """
    kind = object_kind(header)
    if kind in {"capture", "scout"}:
        what = "a secondary capture" if kind == "capture" else "a scout (localiser)"
        raise VolumeError(
            "MV2211", f"{name} is {what}, not slices of a volume", expected="axial slices of a CT"
        )
    if kind != "slice":
        sort = uid_name(header.sop_class) if header.sop_class else "an object of unknown kind"
        raise VolumeError(
            "MV2210", f"{name} holds no image of a scan: {sort}", expected="a CT image"
        )
    modality = header.modality or ("CT" if header.sop_class in _CT_CLASSES else "")
    if modality not in modalities:
        raise VolumeError(
            "MV2210",
            f"{name} has modality {modality[:16]!r}",
            expected=" or ".join(sorted(modalities)),
            hint="values of other modalities are no Hounsfield units",
        )


def check_pixels(name: str, header: SliceHeader, limits: VolumeLimits) -> None:
    """Refuse pixels that cannot be decoded into Hounsfield units, before any is read.

    Raises:
        VolumeError: MV2202 (cut off), MV2203 (too large), MV2212 (transfer syntax), MV2213
            (colours, odd bit depths) or MV2221 (no rescale to Hounsfield units).
    """
    layout = header.pixels
    if layout.rows * layout.columns > limits.frame_px:
        raise VolumeError(
            "MV2203",
            f"{name}: {header.name} declares {layout.rows} x {layout.columns} pixels",
            expected=f"at most {limits.frame_px}",
        )
    if layout.samples != 1 or layout.photometric not in _GRAY:
        raise VolumeError(
            "MV2213",
            f"{name}: {header.name} has {layout.samples} samples a pixel, "
            f"photometric interpretation {layout.photometric[:20]!r}",
            expected="one sample, MONOCHROME2",
            hint="coloured images in a CT series are captures or fused pictures",
        )
    if not has_plain_bits(layout):
        raise VolumeError(
            "MV2213",
            f"{name}: {header.name} stores {layout.bits_stored} bits up to bit {layout.high_bit} "
            f"of {layout.bits_allocated}",
            expected="8, 16 or 32 bits a pixel",
        )
    if not is_readable_syntax(layout.transfer_syntax):
        raise VolumeError(
            "MV2212",
            f"{name}: {header.name} has the transfer syntax {uid_name(layout.transfer_syntax)}",
            expected="uncompressed, deflated, RLE, JPEG lossless, JPEG-LS or JPEG 2000",
            hint="export the series without compression",
        )
    check_extent(header.place, limits.rules, series=name)
    _check_rescale(name, header)


def rescale_findings(name: str, headers: Sequence[SliceHeader]) -> tuple[Finding, ...]:
    """Return what is worth knowing about the values of a series."""
    found = []
    if any(header.slope is None or header.intercept is None for header in headers):
        found.append(Finding("MV2221", f"{name} states no rescale; stored values are taken as HU"))
    if any(is_lossy_syntax(header.pixels.transfer_syntax) or header.is_lossy for header in headers):
        found.append(Finding("MV2212", f"{name} may have lost detail by lossy compression"))
    if any(header.pixels.photometric == "MONOCHROME1" for header in headers):
        found.append(Finding("MV2213", f"{name} is meant to be shown inverted; values are kept"))
    return tuple(found)


def _check_rescale(name: str, header: SliceHeader) -> None:
    if header.has_lookup_table:
        raise VolumeError(
            "MV2221", f"{name}: {header.name} rescales by a table", expected="slope and intercept"
        )
    if header.slope == 0:
        raise VolumeError("MV2221", f"{name}: {header.name} has a rescale slope of 0")
    if header.modality == "CT" and header.rescale_type not in _HOUNSFIELD | {"US"}:
        raise VolumeError(
            "MV2221",
            f"{name}: {header.name} rescales to {header.rescale_type[:16]!r}",
            expected="HU",
            hint="spectral maps (effective Z, electron density, iodine) are no CT numbers",
        )

"""What the frames of a DICOM file are and where they lie.

Only fields that describe pixels and geometry are kept. Names and dates are never read; a series
description is looked at for the contrast phase and forgotten.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError
from medvlp.io.dicom_frames import FramePlace
from medvlp.io.dicom_header import DICOM_FAULTS, damaged_dicom, parse_header
from medvlp.io.dicom_values import integer_of, number_of, numbers_of, word_of, words_of
from medvlp.io.pixel_layout import pixel_layout
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydicom.dataset import Dataset

    from medvlp.io.dicom_header import ParsedHeader
    from medvlp.io.pixel_layout import PixelLayout

__all__ = ["SliceHeader", "read_slice_headers"]

_WANTED = """
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality ImageType ConversionType
InstanceNumber AcquisitionNumber AcquisitionTime ContentTime TemporalPositionIdentifier TriggerTime
SeriesDescription ConvolutionKernel SliceThickness ReconstructionDiameter KVP FrameOfReferenceUID
ImagePositionPatient ImageOrientationPatient PixelSpacing Rows Columns NumberOfFrames
SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit PixelRepresentation
RescaleSlope RescaleIntercept RescaleType ModalityLUTSequence LossyImageCompression
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
""".split()
_DEFAULT_LIMITS = VolumeLimits()
_MAX_FRAMES = 100_000
_VOLUME_MODALITIES = frozenset({"CT", "MR", "PT", "NM", "SEG", ""})
"""Objects whose frames can be slices; the tiles of a slide and the frames of a film are none."""

_PHASES = (
    ("non-contrast", r"\b(non[- ]?con\w*|nativ\w*|w/?o\b|without|plain|unenh\w*|ohne)"),
    ("arterial", r"\b(art|arter\w*|corticomed\w*|angio\w*|cta)\b"),
    ("venous", r"\b(ven|venous|ven[oö]s\w*|portal\w*|pv|nephro\w*|parench\w*)\b"),
    ("delayed", r"\b(delay\w*|late|excret\w*|urogr\w*|sp[aä]t\w*)\b"),
)


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """One frame: its pixels, its place in the patient, and what it belongs to.

    UIDs stay inside the reader; they never reach an output.

    Attributes:
        path: The file.
        frame: Index of the frame in the file, from 0.
        pixels: How the pixels are stored.
        sop_class: UID of the kind of object; empty where the file does not tell.
        instance_uid: UID of the object.
        study_uid: UID of the study.
        series_uid: UID of the series; empty in some anonymised files.
        frame_of_reference_uid: UID of the patient's coordinate system.
        modality: DICOM's word, such as ``CT``.
        image_type: Words of the image type, upper case.
        is_converted: Whether the object says that it was captured from a screen or scanned.
        position_mm: Centre of the first pixel, ``(x, y, z)`` in LPS, or None.
        orientation: Unit vectors along a row and down a column, in LPS, or None.
        pixel_spacing_mm: Distance of ``(rows, columns)``, or None.
        slope: Factor of the rescale, or None where the file states none.
        intercept: Summand of the rescale, or None.
        rescale_type: Unit of the rescaled values; empty means Hounsfield in CT.
        has_lookup_table: Whether a table takes the place of the rescale.
        is_lossy: Whether the pixels went through a lossy compression.
        instance_number: Number of the image in its series, or None.
        repeats: Fields that tell slices at one position apart, by name.
        phase: Contrast phase that the description hints at, or an empty string.
    """

    path: Path
    frame: int
    pixels: PixelLayout
    sop_class: str
    instance_uid: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    modality: str
    image_type: tuple[str, ...]
    is_converted: bool
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    has_lookup_table: bool
    is_lossy: bool
    instance_number: int | None
    repeats: tuple[tuple[str, str], ...]
    phase: str

    @property
    def name(self) -> str:
        """Name of the file, with the frame where there are several."""
        return self.path.name if self.pixels.frames == 1 else f"{self.path.name}[{self.frame}]"

    @property
    def place(self) -> FramePlace:
        """Where its pixels lie."""
        return FramePlace(self.path, self.frame, self.pixels, self.name)


def read_slice_headers(path: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> list[SliceHeader]:
    """Read what the frames of a DICOM file are and where they lie, one entry per frame.

    Objects whose frames are no slices of a body, such as slides and films, give one entry.

    Args:
        path: The file.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 (unreadable), MV2202 (does not inflate), MV2203 (too large), MV2207
            (damaged header).
    """
    parsed = parse_header(path, _WANTED, limits.rules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that pydicom warns of are checked below
            layout = pixel_layout(parsed)
            is_volume = word_of(parsed.data_set.get("Modality")).upper() in _VOLUME_MODALITIES
            count = max(layout.frames, 1) if is_volume else 1
            if count > _MAX_FRAMES:
                raise VolumeError(
                    "MV2203", f"{path.name} declares {count} frames", expected=f"{_MAX_FRAMES}"
                )
            per_frame = parsed.data_set.get("PerFrameFunctionalGroupsSequence") or []
            return [_slice_header(path, parsed, layout, per_frame, at) for at in range(count)]
    except DICOM_FAULTS as error:
        raise damaged_dicom(path, error, limits.rules) from error


def _slice_header(
    path: Path, parsed: ParsedHeader, layout: PixelLayout, per_frame: list[Dataset], at: int
) -> SliceHeader:
    data = parsed.data_set
    shared = data.get("SharedFunctionalGroupsSequence") or []
    places = [*per_frame[at : at + 1], *shared[:1]]
    rescale = _group(places, "PixelValueTransformationSequence", data)
    description = str(data.get("SeriesDescription") or "")
    return SliceHeader(
        path=path,
        frame=at,
        pixels=layout,
        sop_class=word_of(parsed.meta.get("MediaStorageSOPClassUID") or data.get("SOPClassUID")),
        instance_uid=word_of(data.get("SOPInstanceUID")),
        study_uid=word_of(data.get("StudyInstanceUID")),
        series_uid=word_of(data.get("SeriesInstanceUID")),
        frame_of_reference_uid=word_of(data.get("FrameOfReferenceUID")),
        modality=word_of(data.get("Modality")).upper(),
        image_type=words_of(data.get("ImageType")),
        is_converted=bool(word_of(data.get("ConversionType"))),
        position_mm=numbers_of(
            _group(places, "PlanePositionSequence", data).get("ImagePositionPatient"), 3
        ),
        orientation=numbers_of(
            _group(places, "PlaneOrientationSequence", data).get("ImageOrientationPatient"), 6
        ),
        pixel_spacing_mm=numbers_of(
            _group(places, "PixelMeasuresSequence", data).get("PixelSpacing"), 2
        ),
        slope=number_of(rescale.get("RescaleSlope")),
        intercept=number_of(rescale.get("RescaleIntercept")),
        rescale_type=word_of(rescale.get("RescaleType")).upper(),
        has_lookup_table=bool(data.get("ModalityLUTSequence")),
        is_lossy=word_of(data.get("LossyImageCompression")) == "01",
        instance_number=integer_of(data.get("InstanceNumber"), -1),
        repeats=tuple(_repeats(data, places)),
        phase=_phase(description),
    )


def _group(places: list[Dataset], name: str, otherwise: Dataset) -> Dataset:
    """Return the functional group of a frame, of all frames, or the data set itself."""
    for place in places:
        items = place.get(name)
        if items:
            found: Dataset = items[0]
            return found
    return otherwise


def _repeats(data: Dataset, places: list[Dataset]) -> Iterable[tuple[str, str]]:
    """Yield the fields that tell phases, reconstructions and time points of one series apart."""
    content = _group(places, "FrameContentSequence", data)
    yield (
        "acquisition",
        word_of(content.get("FrameAcquisitionNumber", data.get("AcquisitionNumber"))),
    )
    yield (
        "time point",
        word_of(content.get("TemporalPositionIndex", data.get("TemporalPositionIdentifier"))),
    )
    yield "stack", word_of(content.get("StackID"))
    yield "kernel", "/".join(words_of(data.get("ConvolutionKernel")))
    yield (
        "slice thickness",
        word_of(_group(places, "PixelMeasuresSequence", data).get("SliceThickness")),
    )
    yield "field of view", word_of(data.get("ReconstructionDiameter"))
    yield "image type", "/".join(words_of(data.get("ImageType")))
    yield "tube voltage", word_of(data.get("KVP"))
    yield "trigger time", word_of(data.get("TriggerTime"))
    yield "acquisition time", word_of(data.get("AcquisitionTime"))


def _phase(description: str) -> str:
    text = description.replace("_", " ").lower()
    return next((name for name, pattern in _PHASES if re.search(pattern, text)), "")

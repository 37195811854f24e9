"""What the header of a DICOM X-ray says of its pixels; names, dates and texts are never read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.errors import RadiographError
from medvlp.io.dicom_frames import FramePlace
from medvlp.io.dicom_header import DICOM_FAULTS, damaged_dicom, parse_header
from medvlp.io.dicom_values import integer_of, number_of, word_of, words_of
from medvlp.io.pixel_layout import PixelLayout, pixel_layout
from medvlp.radiographs.display import LookupTable, Window
from medvlp.radiographs.lookup_tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from medvlp.io.dicom_header import ParsedHeader
    from medvlp.io.reading_rules import ReadingRules
    from medvlp.radiographs.display import WindowFunction

__all__ = ["RadiographHeader", "read_radiograph_header"]

_WANTED = """
SOPClassUID Modality PresentationIntentType ViewPosition ViewCodeSequence ImageLaterality Laterality
PatientOrientation BurnedInAnnotation LossyImageCompression
ImagerPixelSpacing PixelSpacing NominalScannedPixelSpacing Rows Columns NumberOfFrames
SamplesPerPixel PhotometricInterpretation PresentationLUTShape BitsAllocated BitsStored HighBit
PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleSlope RescaleIntercept
ModalityLUTSequence WindowCenter WindowWidth VOILUTFunction VOILUTSequence
""".split()
_FUNCTIONS: dict[str, WindowFunction] = {
    "": "LINEAR",
    "LINEAR": "LINEAR",
    "LINEAR_EXACT": "LINEAR_EXACT",
    "SIGMOID": "SIGMOID",
}
_BURNED_IN = {"YES": True, "NO": False}


@dataclass(frozen=True, eq=False, kw_only=True)
class RadiographHeader:
    """The header of an X-ray.

    Attributes:
        path: The file.
        pixels: How the pixels are stored.
        sop_class: UID of the kind of object; empty where the file does not tell.
        modality: DICOM's word, such as ``DX``; empty where the file does not tell.
        for_processing: Whether the values are stored for processing and not for looking at.
        view_position: Word for the view, upper case.
        view_codes: Code values of the view.
        lateralities: Words of the elements for the side, the image's own first.
        orientation: Where rows and columns run to; empty where the file does not tell.
        burned_in: Whether text is drawn into the pixels; None where the file does not tell.
        is_lossy: Whether the pixels went through a lossy compression.
        spacing_mm: Distance of pixel centres along ``(row, column)``, or None.
        spacing_at_detector: Whether it is that on the detector, where bodies look larger.
        shape: Presentation LUT shape, or empty.
        padding: Stored values from and to which pixels show nothing, or None.
        slope: Factor of the rescale.
        intercept: Summand of the rescale.
        modality_table: Table in place of the rescale, or None.
        windows: Usable windows, in order.
        voi_table: First usable table of values of interest, or None.
        notes: What was noticed.
    """

    path: Path
    pixels: PixelLayout
    sop_class: str
    modality: str
    for_processing: bool
    view_position: str
    view_codes: tuple[str, ...]
    lateralities: tuple[str, ...]
    orientation: tuple[str, ...]
    burned_in: bool | None
    is_lossy: bool
    spacing_mm: tuple[float, float] | None
    spacing_at_detector: bool
    shape: str
    padding: tuple[int, int] | None
    slope: float
    intercept: float
    modality_table: LookupTable | None
    windows: tuple[Window, ...]
    voi_table: LookupTable | None
    notes: tuple[str, ...]

    def place(self, frame: int) -> FramePlace:
        """Where the pixels of a frame lie."""
        name = self.path.name if self.pixels.frames <= 1 else f"{self.path.name}[{frame}]"
        return FramePlace(self.path, frame, self.pixels, name)


def read_radiograph_header(path: Path, rules: ReadingRules) -> RadiographHeader:
    """Read the header of a DICOM file as that of an X-ray, whatever it is.

    Args:
        path: The file.
        rules: Caps of size, and how to refuse.

    Raises:
        RadiographError: MV2400 (unreadable), MV2402 (does not inflate), MV2403 (too large), MV2404
            (damaged) or MV2411 (values cannot be told).
    """
    parsed = parse_header(path, _WANTED, rules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that pydicom warns of are checked below
            return _header(path, parsed)
    except DICOM_FAULTS as error:
        raise damaged_dicom(path, error, rules) from error


def _header(path: Path, parsed: ParsedHeader) -> RadiographHeader:
    data = parsed.data_set
    layout = pixel_layout(parsed)
    notes: list[str] = []
    slope, intercept = number_of(data.get("RescaleSlope")), number_of(data.get("RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    modality_table = _modality_table(path, data, layout, parsed.is_little_endian)
    is_signed = modality_table is None and (
        layout.is_signed or intercept < 0 or slope * (1 << layout.bits_stored) + intercept < 0
    )
    if slope == 0 and modality_table is None:
        raise RadiographError("MV2411", f"{path.name} has a rescale slope of 0")
    spacing, at_detector = _spacing(data)
    return RadiographHeader(
        path=path,
        pixels=layout,
        sop_class=word_of(parsed.meta.get("MediaStorageSOPClassUID") or data.get("SOPClassUID")),
        modality=word_of(data.get("Modality")).upper(),
        for_processing=word_of(data.get("PresentationIntentType")).upper() == "FOR PROCESSING",
        view_position=word_of(data.get("ViewPosition")).upper(),
        view_codes=tuple(
            word_of(item.get("CodeValue")) for item in data.get("ViewCodeSequence") or []
        ),
        lateralities=tuple(
            word_of(data.get(name)).upper() for name in ("ImageLaterality", "Laterality")
        ),
        orientation=words_of(data.get("PatientOrientation")),
        burned_in=_BURNED_IN.get(word_of(data.get("BurnedInAnnotation")).upper()),
        is_lossy=word_of(data.get("LossyImageCompression")) == "01",
        spacing_mm=spacing,
        spacing_at_detector=at_detector,
        shape=word_of(data.get("PresentationLUTShape")).upper(),
        padding=_padding(data, layout),
        slope=slope,
        intercept=intercept,
        modality_table=modality_table,
        windows=_windows(data, notes),
        voi_table=_voi_table(data, parsed.is_little_endian, is_signed=is_signed, notes=notes),
        notes=tuple(notes),
    )


def _modality_table(
    path: Path, data: Dataset, layout: PixelLayout, is_little_endian: bool
) -> LookupTable | None:
    for item in data.get("ModalityLUTSequence") or []:
        try:
            return read_table(item, is_little_endian=is_little_endian, is_signed=layout.is_signed)
        except ValueError as error:
            raise RadiographError(
                "MV2411", f"{path.name} rescales by a table that is damaged: {error}"
            ) from error
    return None


def _voi_table(
    data: Dataset, is_little_endian: bool, *, is_signed: bool, notes: list[str]
) -> LookupTable | None:
    """Return the first table of values of interest that can be used."""
    items = list(data.get("VOILUTSequence") or [])
    for at, item in enumerate(items):
        try:
            table = read_table(item, is_little_endian=is_little_endian, is_signed=is_signed)
        except ValueError as error:
            notes.append(f"table {at + 1} of {len(items)} for display is left out: {error}")
        else:
            if len(items) > 1:
                notes.append(f"table {at + 1} of {len(items)} for display is used")
            if table.bits != table.stated_bits:
                notes.append(
                    f"the table for display states {table.stated_bits} bits and uses {table.bits}"
                )
            return table
    return None


def _windows(data: Dataset, notes: list[str]) -> tuple[Window, ...]:
    """Return the windows that the standard defines, in the order of the header."""
    stated = word_of(data.get("VOILUTFunction")).upper()
    function = _FUNCTIONS.get(stated, "LINEAR")
    if stated not in _FUNCTIONS:
        notes.append("the window's function is unknown and read as LINEAR")
    centers, widths = (_numbers(data.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if len(centers) != len(widths):
        notes.append(f"{len(centers)} window centers stand beside {len(widths)} widths")
    pairs = [Window(c, w, function) for c, w in zip(centers, widths, strict=False)]
    usable = tuple(window for window in pairs if window.is_usable)
    if len(usable) < len(pairs):
        notes.append(f"{len(pairs) - len(usable)} of {len(pairs)} windows have no usable width")
    return usable


def _numbers(value: object) -> list[float]:
    """Return the numbers of an element; nan for what is none, so that places are kept."""
    found = []
    for word in words_of(value):
        try:
            found.append(float(word))
        except ValueError:
            found.append(float("nan"))
    return found


def _spacing(data: Dataset) -> tuple[tuple[float, float] | None, bool]:
    """Return the spacing, and whether it is that on the detector.

    Pixel Spacing of a projection is a calibrated one, or repeats that of the imager.
    """
    found: dict[str, tuple[float, float]] = {}
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        numbers = _numbers(data.get(name))
        if len(numbers) == 2 and all(0 < number < 10 for number in numbers):
            found[name] = (numbers[0], numbers[1])
    imager = found.get("ImagerPixelSpacing")
    for spacing in found.values():
        return spacing, spacing == imager
    return None, False


def _padding(data: Dataset, layout: PixelLayout) -> tuple[int, int] | None:
    first = _stored_integer(data.get("PixelPaddingValue"), layout)
    if first is None:
        return None
    last = _stored_integer(data.get("PixelPaddingRangeLimit"), layout)
    last = first if last is None else last
    return min(first, last), max(first, last)


def _stored_integer(value: object, layout: PixelLayout) -> int | None:
    """Return an element that holds a stored value; exporters get its sign wrong."""
    if isinstance(value, bytes) and len(value) >= 2:
        value = int.from_bytes(value[:2], "little" if layout.is_little_endian else "big")
    absent = 1 << 20
    number = integer_of(value, absent)
    if number == absent:
        return None
    number &= (1 << layout.bits_allocated) - 1
    if layout.is_signed and number >> (layout.bits_allocated - 1):
        number -= 1 << layout.bits_allocated
    return number

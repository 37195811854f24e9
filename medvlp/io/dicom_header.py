"""Read the header of a DICOM file that may be hostile: nothing unbounded is read or inflated."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medvlp.io.reading_rules import ReadingRules, format_bytes, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.tag import BaseTag

    from medvlp.errors import MedvlpError

__all__ = [
    "DICOM_FAULTS",
    "ParsedHeader",
    "damaged_dicom",
    "inflated_data_set",
    "is_dicom_start",
    "parse_header",
]

DICOM_FAULTS = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on damaged files."""

_DEFLATED = str(DeflatedExplicitVRLittleEndian)
_FIRST_BYTES = 1 << 16
_GROWTH = 16
_META_AT = 132
_LONG_VALUE = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
_PIXEL_TAG = 0x7FE00010
_UNDEFINED_LENGTH = 0xFFFFFFFF
_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR "
    b"US UT UV".split()
)


@dataclass(frozen=True, eq=False)
class ParsedHeader:
    """A data set without its pixels, and where these lie.

    Attributes:
        data_set: The elements that were asked for.
        meta: The file's meta information; empty where there is none.
        pixel_offset: First byte of the pixels, in the file, or in the inflated data set.
        pixel_bytes: Number of bytes of native pixels; None where they are encapsulated; 0 where
            there are none.
        is_little_endian: Byte order of the pixels.
        is_inflated: Whether the data set was deflated in the file.
    """

    data_set: Dataset
    meta: Dataset
    pixel_offset: int
    pixel_bytes: int | None
    is_little_endian: bool
    is_inflated: bool


def is_dicom_start(head: bytes) -> bool:
    """Say whether a file that starts so is DICOM, with the preamble or, as old exports, without.

    Args:
        head: The first 132 bytes or more.
    """
    if head[128:_META_AT] == b"DICM":
        return True
    group_little, group_big = head[:2], head[:2][::-1]
    if b"\x08\x00" not in (group_little, group_big) and head[:2] != b"\x02\x00":
        return False
    return head[4:6] in _VALUE_REPRESENTATIONS or (
        head[:2] == b"\x08\x00" and len(head) >= 16 and int.from_bytes(head[4:8], "little") < 256
    )


def parse_header(path: Path, wanted: Sequence[str] | None, rules: ReadingRules) -> ParsedHeader:
    """Parse a data set up to its pixels.

    Args:
        path: The file.
        wanted: Keywords of the elements to keep; None keeps all.
        rules: Caps of size, and how to refuse.

    Raises:
        MedvlpError: Of the rules' class: unreadable, cut off (does not inflate), too large or
            damaged.
    """
    size_bytes, count = _size(path, rules), _FIRST_BYTES
    while True:
        head = read_bytes(path, count, rules)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom warns of values that are checked later
                if _DEFLATED.encode() in head and _is_deflated(path, head, rules):
                    return _parse_deflated(path, head, wanted, rules)
                parsed, is_complete = _parse_plain(head, wanted)
        except DICOM_FAULTS as error:
            if count >= size_bytes or isinstance(error, RecursionError):
                raise damaged_dicom(path, error, rules) from error
        else:
            # Parsing that ran to the end of the bytes at hand has not met the pixels yet.
            if is_complete or count >= size_bytes:
                return parsed
        if count >= rules.header_bytes:
            raise rules.error(
                rules.too_large,
                f"{path.name} has a header of more than {format_bytes(rules.header_bytes)}",
            )
        count = min(count * _GROWTH, rules.header_bytes)


def inflated_data_set(path: Path, rules: ReadingRules) -> bytes:
    """Return the data set of a deflated DICOM file, inflated under the caps.

    Args:
        path: The file.
        rules: Caps of size, and how to refuse.

    Raises:
        MedvlpError: Of the rules' class, as :func:`parse_header`.
    """
    packed_bytes = _size(path, rules)
    try:
        _, start = _read_meta(read_bytes(path, _FIRST_BYTES, rules))
    except DICOM_FAULTS as error:
        raise damaged_dicom(path, error, rules) from error
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    parts: list[bytes] = []
    produced = 0
    with path.open("rb") as stream:
        stream.seek(start)
        while not inflater.eof and (packed := stream.read(1 << 18)):
            while packed:
                try:
                    part = inflater.decompress(packed, 1 << 22)
                except zlib.error as error:
                    raise rules.error(
                        rules.cut_off,
                        f"{path.name} does not inflate after {produced} bytes: {error}",
                    ) from error
                produced += len(part)
                rules.check_inflated(path.name, produced, packed_bytes)
                parts.append(part)
                packed = inflater.unconsumed_tail
    return b"".join(parts)


def damaged_dicom(path: Path, error: BaseException, rules: ReadingRules) -> MedvlpError:
    """Build the error for a header that pydicom could not parse."""
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, RecursionError):
        why = "its sequences are nested too deeply"
    elif isinstance(error, MemoryError):
        why = "an element asks for more memory than there is"
    return rules.error(
        rules.damaged,
        f"{path.name} has a damaged DICOM header: {why}",
        hint="export the file again",
    )


def _parse_plain(head: bytes, wanted: Sequence[str] | None) -> tuple[ParsedHeader, bool]:
    stream = io.BytesIO(head)
    tags = None if wanted is None else list(wanted)
    data_set = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags, force=True)
    implicit, little = data_set.original_encoding
    meta = getattr(data_set, "file_meta", None) or Dataset()
    at = stream.tell()
    offset, count = _pixel_element(head, at, implicit=bool(implicit), little=little is not False)
    parsed = ParsedHeader(data_set, meta, offset, count, little is not False, is_inflated=False)
    return parsed, at + 12 <= len(head)


def _parse_deflated(
    path: Path, head: bytes, wanted: Sequence[str] | None, rules: ReadingRules
) -> ParsedHeader:
    inflated = inflated_data_set(path, rules)
    stream = io.BytesIO(inflated)
    tags: list[BaseTag | int] | None = None
    if wanted is not None:
        tags = [Tag(name) for name in wanted]
    data_set = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=_meets_pixels,
        specific_tags=tags,
    )
    meta, _ = _read_meta(head)
    offset, count = _pixel_element(inflated, stream.tell(), implicit=False, little=True)
    return ParsedHeader(data_set, meta, offset, count, True, is_inflated=True)


def _read_meta(head: bytes) -> tuple[Dataset, int]:
    """Return the meta information after the preamble, and where the data set starts."""
    stream = io.BytesIO(head)
    stream.seek(_META_AT)
    meta = read_dataset(stream, False, True, stop_when=_leaves_meta)
    return meta, stream.tell()


def _leaves_meta(tag: BaseTag, _representation: str | None, _length: int) -> bool:
    return bool(tag.group != 2)


def _meets_pixels(tag: BaseTag, _representation: str | None, _length: int) -> bool:
    return int(tag) == _PIXEL_TAG


def _is_deflated(path: Path, head: bytes, rules: ReadingRules) -> bool:
    """Say whether the transfer syntax is the deflated one; the words may stand elsewhere too."""
    if head[128:_META_AT] != b"DICM":
        if head.startswith(b"\x02\0"):
            raise rules.error(
                rules.damaged,
                f"{path.name} has a damaged DICOM header: deflated without a preamble",
            )
        return False
    meta, _ = _read_meta(head)
    return str(meta.get("TransferSyntaxUID", "")) == _DEFLATED


def _pixel_element(
    source: bytes, offset: int, *, implicit: bool, little: bool
) -> tuple[int, int | None]:
    """Return where the pixel bytes start and their count; ``(0, 0)`` where there are none."""
    element, order = source[offset : offset + 12], "<" if little else ">"
    if len(element) < 12:
        return 0, 0
    group, number = struct.unpack(order + "HH", element[:4])
    if group << 16 | number != _PIXEL_TAG:
        return 0, 0
    if not implicit and element[4:6] in _LONG_VALUE:
        length, start = struct.unpack(order + "I", element[8:12])[0], offset + 12
    else:
        length, start = struct.unpack(order + "I", element[4:8])[0], offset + 8
    return start, None if length == _UNDEFINED_LENGTH else int(length)


def _size(path: Path, rules: ReadingRules) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise rules.error(
            rules.unreadable, f"{path.name} cannot be read: {error.strerror}"
        ) from error

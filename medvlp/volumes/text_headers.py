"""What NRRD and MetaImage share: a header of ``key value`` lines, then voxels here or beside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["TextHeader", "companion_file", "damaged_header", "floats"]

_MAX_HEADER_BYTES = 1 << 20


class TextHeader:
    """Fields of a text header, by lower-case name.

    Args:
        path: The file, for messages.
        fields: Name (lower case) to value.
        body_offset: First byte after the header.
    """

    def __init__(self, path: Path, fields: Mapping[str, str], body_offset: int) -> None:
        self.path = path
        self.fields = fields
        self.body_offset = body_offset

    @classmethod
    def read(cls, path: Path, separator: str, end: str) -> TextHeader:
        """Read a header.

        Args:
            path: The file.
            separator: What stands between name and value.
            end: Name of the last field, or an empty string where a blank line ends the header.

        Raises:
            VolumeError: MV2200 if the file cannot be read, MV2234 if the header does not end.
        """
        fields: dict[str, str] = {}
        try:
            with path.open("rb") as stream:
                while stream.tell() < _MAX_HEADER_BYTES:
                    raw = stream.readline(65536)
                    line = raw.decode("latin-1").strip()
                    if not raw or (not line and not end):
                        break
                    name, found, value = line.partition(separator)
                    if line.startswith("#") or not found:
                        continue
                    fields[name.strip().lower()] = value.strip()
                    if end and name.strip().lower() == end:
                        break
                return cls(path, fields, stream.tell())
        except OSError as error:
            raise VolumeError("MV2200", f"{path.name} cannot be read: {error.strerror}") from error

    def need(self, *names: str) -> str:
        """Return the value of the first of these fields that exists, or raise MV2234."""
        for name in names:
            if name in self.fields:
                return self.fields[name]
        raise damaged_header(self.path, f"it has no field {names[0]!r}")

    def integers(self, name: str, count: int) -> list[int]:
        """Return a field of ``count`` whole numbers, or raise MV2234."""
        try:
            values = [int(word) for word in self.need(name).split()]
        except ValueError as error:
            raise damaged_header(self.path, f"its {name!r} are not whole numbers") from error
        if len(values) != count:
            raise damaged_header(self.path, f"its {name!r} holds {len(values)} of {count} numbers")
        return values


def floats(path: Path, name: str, text: str, count: int) -> list[float]:
    """Return ``count`` finite numbers of a text, whatever brackets and commas stand between.

    Raises:
        VolumeError: MV2234.
    """
    try:
        values = [float(word) for word in text.translate(str.maketrans("(),", "   ")).split()]
    except ValueError as error:
        raise damaged_header(path, f"its {name!r} are not numbers") from error
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise damaged_header(path, f"its {name!r} does not hold {count} finite numbers")
    return values


def companion_file(path: Path, name: str) -> Path:
    """Return the file of voxels beside a header; it must lie in the same folder.

    Raises:
        VolumeError: MV2204 if the name leads elsewhere, MV2200 if there is no such file.
    """
    beside = path.parent / name
    if not name or "/" in name or "\\" in name or name in {".", ".."} or "\0" in name:
        raise VolumeError(
            "MV2204",
            f"{path.name} keeps its voxels in a file elsewhere",
            expected="the bare name of a file in the same folder",
        )
    if not beside.is_file():
        raise VolumeError("MV2200", f"{path.name} lacks the file of its voxels beside it")
    if beside.resolve().parent != path.parent.resolve():
        raise VolumeError("MV2204", f"{path.name} keeps its voxels behind a link elsewhere")
    return beside


def damaged_header(path: Path, why: str) -> VolumeError:
    """Build the error for a header that does not make sense."""
    return VolumeError(
        "MV2234", f"{path.name} has a damaged header: {why}", hint="write or download it again"
    )

"""Tar shards that any WebDataset reader opens, and that we read by byte offset.

A shard is a plain tar of ``<sample_id>.jpg`` or ``.png``. Its offsets stand in the manifest, so a
sample is one ``pread`` at any time, in any order, from any process.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medvlp.data.image_codec import Encoding

__all__ = ["LocalShards", "Place", "ShardReader", "ShardSource", "ShardWriter"]

_SAMPLE_ID = re.compile(r"[A-Za-z0-9_-]{1,96}")
MAX_SAMPLE_BYTES = 64 * 2**20
_MOST_OPEN = 256


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample's bytes are.

    Attributes:
        shard: File name of the shard.
        offset: First byte of the image in the shard.
        size: Number of bytes of the image.
        crc32: CRC-32 of the bytes; None where the manifest has none.
    """

    shard: str
    offset: int
    size: int
    crc32: int | None = None


class ShardWriter:
    """Writes samples into numbered tar files; the same samples give the same bytes.

    Args:
        folder: Existing folder for the shards.
        samples_per_shard: Number of samples after which the next shard begins.
        first: Number of the first shard.
    """

    def __init__(self, folder: Path, samples_per_shard: int, *, first: int = 0) -> None:
        self._folder = folder
        self._samples_per_shard = samples_per_shard
        self._first = first
        self._count = 0
        self._tar: tarfile.TarFile | None = None
        self._name = ""

    def add(self, sample_id: str, content: bytes, encoding: Encoding) -> Place:
        """Append a sample.

        Args:
            sample_id: Letters, digits, ``_`` and ``-``, at most 96.
            content: The compressed image.
            encoding: What it is compressed as; becomes the suffix.

        Raises:
            ValueError: If the name is not such a name.
        """
        if not _SAMPLE_ID.fullmatch(sample_id):
            msg = f"sample_id must be 1 to 96 letters, digits, '_' or '-', got {sample_id!r}"
            raise ValueError(msg)
        tar = self._current_tar()
        member = tarfile.TarInfo(f"{sample_id}.{encoding}")
        member.size = len(content)
        offset = tar.offset + len(member.tobuf(tar.format))
        tar.addfile(member, io.BytesIO(content))
        self._count += 1
        return Place(self._name, offset, len(content), zlib.crc32(content))

    def close(self) -> None:
        """Finish the last shard."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _current_tar(self) -> tarfile.TarFile:
        if self._tar is None or self._count % self._samples_per_shard == 0:
            self.close()
            self._name = f"{self._first + self._count // self._samples_per_shard:06d}.tar"
            self._tar = tarfile.open(self._folder / self._name, "w", format=tarfile.USTAR_FORMAT)
        return self._tar


class ShardSource(Protocol):
    """Where shards lie: a folder of this machine, or one that is reached over the network."""

    def read(self, shard: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a shard; less than was asked for where the shard ends before.

        Args:
            shard: Its file name.
            ranges: First byte and number of bytes of each, ascending.

        Raises:
            DataError: If the shard cannot be read (MV1702, MV1812, MV1813, MV1820,
                MV1821).
        """

    def name(self, shard: str) -> str:
        """Return the path or address of a shard, for messages."""

    def close(self) -> None:
        """Give back what is open; the next read opens it again."""


class LocalShards:
    """Shards in a folder of this machine or a network drive, read with ``pread``.

    As many as 256 stay open.

    Args:
        folder: The folder.
        sizes: Bytes that each shard must have, where they are known; looked at once, when a shard
            is opened.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int] | None = None) -> None:
        self._folder = folder
        self._sizes = sizes or {}
        self._files: dict[str, int] = {}

    def __del__(self) -> None:
        """Close the shards."""
        self.close()

    def __getstate__(self) -> dict[str, object]:
        """Leave open files behind when this travels to a loader process."""
        return {**self.__dict__, "_files": {}}

    def read(self, shard: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a shard; less than was asked for where the shard ends before.

        Args:
            shard: Its file name.
            ranges: First byte and number of bytes of each, ascending.

        Raises:
            DataError: If the shard is missing (MV1702) or has another size (MV1812).
        """
        file = self._files.pop(shard, None)
        if file is None:
            file = self._open(shard)
            if len(self._files) >= _MOST_OPEN:
                os.close(self._files.pop(next(iter(self._files))))
        self._files[shard] = file  # the one used last stands last
        try:
            return [os.pread(file, size, offset) for offset, size in ranges]
        except OSError as error:
            raise unreadable(self.name(shard), str(error.strerror)) from error

    def name(self, shard: str) -> str:
        """Return the path of a shard, for messages."""
        return str(self._folder / shard)

    def is_open(self, shard: str) -> bool:
        """Tell whether a shard is open, so that the next read needs no file name."""
        return shard in self._files

    def close(self) -> None:
        """Close the shards; the next read opens them again."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, shard: str) -> int:
        path = self._folder / shard
        if not shard or os.path.basename(shard) != shard:
            raise unreadable(str(path), "its name is not that of a file in the folder")
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(str(path), str(error.strerror)) from error
        found, wanted = os.fstat(file).st_size, self._sizes.get(shard)
        if wanted not in (None, found):
            os.close(file)
            raise wrong_size(str(path), found, wanted)
        return file


class ShardReader:
    """Reads samples by offset; safe to hand to other processes.

    Args:
        source: Where the shards are; a folder of this machine, or a :class:`ShardSource`.
    """

    def __init__(self, source: Path | ShardSource) -> None:
        self._source = LocalShards(source) if isinstance(source, Path) else source

    def read(self, place: Place) -> bytes:
        """Return the bytes of a sample.

        Args:
            place: Where they are, as the manifest says.

        Raises:
            DataError: As :meth:`read_many`.
        """
        (content,) = self.read_many([place])
        if isinstance(content, DataError):
            raise content
        return content

    def read_many(self, places: Sequence[Place]) -> list[bytes | DataError]:
        """Return the bytes of several samples, read in the order in which they lie.

        Args:
            places: Where they are, in any order.

        Returns:
            For each place its bytes; or an error where the shard ends before them (MV1702) or
            they are not the ones that were written (MV1813).

        Raises:
            DataError: If a shard is missing (MV1702) or has another size (MV1812), or the network
                fails (MV1820, MV1821).
        """
        order = sorted(range(len(places)), key=lambda i: (places[i].shard, places[i].offset))
        found: list[bytes | DataError] = [b""] * len(places)
        first = 0
        while first < len(order):
            shard = places[order[first]].shard
            last = first
            while last < len(order) and places[order[last]].shard == shard:
                last += 1
            mine = order[first:last]
            ranges = [(places[i].offset, _allowed(places[i].size)) for i in mine]
            for i, content in zip(mine, self._source.read(shard, ranges), strict=True):
                found[i] = self._checked(places[i], content)
            first = last
        return found

    def close(self) -> None:
        """Close the shards; the next read opens them again."""
        self._source.close()

    def _checked(self, place: Place, content: bytes) -> bytes | DataError:
        if len(content) != place.size or not content:
            name = self._source.name(place.shard)
            return unreadable(name, f"it has no {place.size} bytes at {place.offset}")
        if place.crc32 is not None and zlib.crc32(content) != place.crc32:
            return DataError(
                "MV1813",
                f"shard {self._source.name(place.shard)}: the {place.size} bytes at "
                f"{place.offset} have CRC-32 {zlib.crc32(content)}",
                expected=f"{place.crc32}, as the manifest lists",
                hint="the shard was altered, or the manifest belongs to others: copy the whole "
                "folder again",
            )
        return content


def wrong_size(name: str, found: int, wanted: int | None) -> DataError:
    """Return the error of a shard that was cut short, or is not the one that was written."""
    return DataError(
        "MV1812",
        f"shard {name} has {found} bytes",
        expected=f"{wanted}, as pairs.json lists",
        hint="it was cut short, or belongs to another folder: copy the whole folder again",
    )


def _allowed(size: int) -> int:
    return size if 0 <= size <= MAX_SAMPLE_BYTES else 0


def unreadable(path: str, why: str) -> DataError:
    """Return the error of a shard that is missing or too short."""
    return DataError(
        "MV1702",
        f"shard {path} cannot be read: {why}",
        expected="the shards that the manifest lists, unchanged",
        hint="copy the whole pairs folder again",
    )

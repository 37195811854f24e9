"""Tar shards that any WebDataset reader opens, and that we read by byte offset.

A shard is a plain tar of ``<sample_id>.jpg`` or ``.png``. Its offsets stand in the manifest, so a
sample is one ``pread`` at any time, in any order, from any process.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from medvlp.errors import MedvlpError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Encoding", "Place", "ShardReader", "ShardWriter", "decode_image", "encode_image"]

Encoding = Literal["jpg", "png"]

_SAMPLE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAX_SAMPLE_BYTES = 64 * 2**20
_MAX_PIXELS = 64 * 2**20


@dataclass(frozen=True)
class Place:
    """Where a sample's bytes are.

    Attributes:
        shard: File name of the shard.
        offset: First byte of the image in the shard.
        size: Number of bytes of the image.
    """

    shard: str
    offset: int
    size: int


def encode_image(rgb: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Compress an image: JPEG of quality 92 without colour subsampling, or PNG.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8.
        encoding: ``jpg`` or ``png``.
    """
    buffer = io.BytesIO()
    if encoding == "png":
        Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    else:
        Image.fromarray(rgb).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decompress an image.

    Args:
        content: Bytes of a JPEG or PNG file.
        name: What the image is called in messages.

    Returns:
        Shape ``(H, W, 3)``, uint8.

    Raises:
        MedvlpError: If the bytes do not decode as a whole, or the image is too large (MV1702).
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > _MAX_PIXELS:
                msg = f"{image.width} x {image.height} pixels"
                raise ValueError(msg)
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MedvlpError(
            "MV1702",
            f"image {name} does not decode ({error})",
            expected="a JPEG or PNG image",
            hint="write the pairs again; a shard may have been changed or cut short",
        ) from error


class ShardWriter:
    """Writes samples into numbered tar files; the same samples give the same bytes.

    Args:
        folder: Existing folder for the shards.
        samples_per_shard: Number of samples after which the next shard begins.
    """

    def __init__(self, folder: Path, samples_per_shard: int) -> None:
        self._folder = folder
        self._samples_per_shard = samples_per_shard
        self._count = 0
        self._tar: tarfile.TarFile | None = None
        self._name = ""

    def add(self, sample_id: str, content: bytes, encoding: Encoding) -> Place:
        """Append a sample.

        Args:
            sample_id: Letters, digits, ``_`` and ``-``, at most 100.
            content: The compressed image.
            encoding: What it is compressed as; becomes the suffix.

        Raises:
            ValueError: If the name is not such a name.
        """
        if not _SAMPLE_ID.fullmatch(sample_id):
            msg = f"sample_id must be 1 to 100 letters, digits, '_' or '-', got {sample_id!r}"
            raise ValueError(msg)
        tar = self._current_tar()
        member = tarfile.TarInfo(f"{sample_id}.{encoding}")
        member.size = len(content)
        offset = tar.offset + len(member.tobuf(tar.format))
        tar.addfile(member, io.BytesIO(content))
        self._count += 1
        return Place(self._name, offset, len(content))

    def close(self) -> None:
        """Finish the last shard."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _current_tar(self) -> tarfile.TarFile:
        if self._tar is None or self._count % self._samples_per_shard == 0:
            self.close()
            self._name = f"{self._count // self._samples_per_shard:06d}.tar"
            self._tar = tarfile.open(self._folder / self._name, "w", format=tarfile.USTAR_FORMAT)
        return self._tar


class ShardReader:
    """Reads samples of a folder's shards by offset; safe to share with forked processes.

    Args:
        folder: The folder that holds the shards.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}

    def read(self, place: Place) -> bytes:
        """Return the bytes of a sample.

        Args:
            place: Where they are, as the manifest says.

        Raises:
            MedvlpError: If the shard is missing or too short (MV1702).
        """
        if place.shard not in self._files:
            self._files[place.shard] = self._open(place.shard)
        content = b""
        if 0 <= place.size <= _MAX_SAMPLE_BYTES:
            content = os.pread(self._files[place.shard], place.size, place.offset)
        if len(content) != place.size:
            raise _missing(
                self._folder / place.shard, f"it has no {place.size} bytes at {place.offset}"
            )
        return content

    def close(self) -> None:
        """Close the shards; the next read opens them again."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, shard: str) -> int:
        path = self._folder / shard
        if not shard or os.path.basename(shard) != shard:
            raise _missing(path, "its name is not that of a file in the folder")
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _missing(path, str(error.strerror)) from error


def _missing(path: Path, why: str) -> MedvlpError:
    return MedvlpError(
        "MV1702",
        f"shard {path} cannot be read: {why}",
        expected="the shards that the manifest lists, unchanged",
        hint="copy the whole pairs folder again",
    )

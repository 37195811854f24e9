"""Folders of pairs that are reached over the network: S3, HTTP, or whatever fsspec has a name for.

Ranges of a shard are asked for all at once. What fails is tried again; what is missing is not.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import fsspec
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.data.pairs import INFO_FILE, MANIFEST_FILE, read_pairs
from medvlp.data.shard_cache import CachedShards
from medvlp.data.shards import unreadable, wrong_size
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from medvlp.data.pairs import PairsManifest

__all__ = ["RemoteShards", "ShardCacheSettings", "is_remote", "open_pairs"]

T = TypeVar("T")

_TRIES = 4
_FIRST_PAUSE_S = 0.5
_PART_BYTES = 16 * 2**20
_MISSING, _BEYOND = (404, 410), 416


class ShardCacheSettings(StrictModel):
    """Where whole shards of a remote folder are kept.

    Attributes:
        folder: A folder of a local disk; processes of one machine share it.
        gib: Shards are kept up to this many GiB; those not used for longest go first.
    """

    folder: Path
    gib: Annotated[float, Field(gt=0)] = 50.0


class RemoteShards:
    """Shards of a remote folder, read in ranges.

    Args:
        url: Address of the folder, such as ``s3://bucket/pairs``.
        sizes: Bytes that each shard must have, where they are known.
    """

    def __init__(self, url: str, sizes: Mapping[str, int] | None = None) -> None:
        self._url = url.rstrip("/")
        self._sizes = dict(sizes or {})
        self._opened: tuple[Any, str] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave connections behind when this travels to a loader process."""
        return {**self.__dict__, "_opened": None}

    def read(self, shard: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a shard.

        Args:
            shard: Its file name.
            ranges: First byte and number of bytes of each.

        Raises:
            DataError: If the shard is missing (MV1702) or shorter than its ranges (MV1702, MV1812),
                the network fails again and again (MV1820), or the server does not give ranges
                (MV1821).
        """
        files, root = self._open()
        paths = [f"{root}/{shard}"] * len(ranges)
        starts, ends = [r[0] for r in ranges], [r[0] + r[1] for r in ranges]

        def ask() -> list[bytes]:
            found: list[Any] = files.cat_ranges(paths, starts, ends, on_error="return")
            for answer in found:
                if isinstance(answer, BaseException):
                    raise answer
            return found

        return self._whole(shard, ranges, self._asked(shard, ask))

    def fetch(self, name: str, path: Path) -> None:
        """Copy a whole file to this machine.

        Args:
            name: File name in the folder.
            path: Where to.

        Raises:
            DataError: As :meth:`read`; or if it has another size than it must have (MV1812).
        """
        size, wanted = self._size(name), self._sizes.get(name)
        if wanted not in (None, size):
            raise wrong_size(self.name(name), size, wanted)
        with path.open("wb") as file:
            for first in range(0, size, _PART_BYTES):
                (content,) = self.read(name, [(first, min(_PART_BYTES, size - first))])
                file.write(content)

    def name(self, shard: str) -> str:
        """Return the address of a shard, for messages."""
        return f"{self._url}/{shard}"

    def close(self) -> None:
        """Forget connections; the next read opens them again."""
        self._opened = None

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            try:
                files, root = fsspec.core.url_to_fs(self._url)
            except (ImportError, ValueError) as error:
                raise DataError(
                    "MV1820",
                    f"{self._url} cannot be opened: {error}",
                    expected="an address that fsspec knows",
                    hint="install what it names, such as s3fs for s3://",
                ) from error
            self._opened = files, root.rstrip("/")
        return self._opened

    def _size(self, name: str) -> int:
        files, root = self._open()
        size = self._asked(name, lambda: files.info(f"{root}/{name}")["size"])
        if size is None:
            raise self._no_ranges(name, "the server does not tell its size")
        return int(size)

    def _asked(self, name: str, ask: Callable[[], T]) -> T:
        """Ask the server, again and again where it fails."""
        files, _ = self._open()
        attempt, pause_s = 1, _FIRST_PAUSE_S
        while True:
            files.invalidate_cache()
            try:
                return ask()
            except Exception as error:  # each kind of address has errors of its own
                cause = _cause(files, error)
                if isinstance(cause, FileNotFoundError) or _status(cause) in _MISSING:
                    raise unreadable(self.name(name), "there is no such file") from error
                if _status(cause) == _BEYOND:
                    raise self._too_short(name) from error
                if attempt == _TRIES:
                    raise self._unanswered(name, cause) from error
            time.sleep(pause_s)
            attempt, pause_s = attempt + 1, 4 * pause_s

    def _too_short(self, name: str) -> DataError:
        size, wanted = self._size(name), self._sizes.get(name)
        if wanted not in (None, size):
            return wrong_size(self.name(name), size, wanted)
        return unreadable(self.name(name), f"it has {size} bytes, and some beyond are listed")

    def _unanswered(self, name: str, cause: BaseException) -> DataError:
        return DataError(
            "MV1820",
            f"{self.name(name)} cannot be read: {type(cause).__name__}: {cause}, {_TRIES} times",
            expected="a server that answers",
            hint="check address and credentials; start again when the network is well",
        )

    def _whole(
        self, shard: str, ranges: Sequence[tuple[int, int]], found: Sequence[bytes]
    ) -> list[bytes]:
        for (_, size), content in zip(ranges, found, strict=True):
            if len(content) > size:
                said = f"{len(content)} bytes came where {size} were asked for"
                raise self._no_ranges(shard, said)
        return list(found)

    def _no_ranges(self, name: str, why: str) -> DataError:
        return DataError(
            "MV1821",
            f"{self.name(name)} is not served in ranges: {why}",
            expected="a server that answers requests for ranges of bytes",
            hint="serve the folder from S3 or by a server such as nginx",
        )


def _cause(files: Any, error: Exception) -> BaseException:  # noqa: ANN401 - fsspec has no types
    """Return what failed: over HTTP, fsspec says of any failure that there is no file."""
    return (error.__cause__ or error) if "http" in files.protocol else error


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that a server answered with; None where it did not."""
    status: int | None = getattr(error, "status", None)
    return status


def is_remote(folder: str | Path) -> bool:
    """Tell whether this is an address and not a folder of this machine."""
    return "://" in str(folder)


def open_pairs(folder: str | Path, cache: ShardCacheSettings | None = None) -> PairsManifest:
    """Read the manifest of a folder of pairs, wherever it lies.

    Args:
        folder: A folder of this machine, or the address of one.
        cache: Keep whole shards of a remote folder on this machine; without it, every sample is
            asked for each time.

    Raises:
        MedvlpError: As :func:`medvlp.data.pairs.read_pairs`; or if the network fails (MV1820,
            MV1821).
    """
    if not is_remote(folder):
        return read_pairs(Path(folder))
    url = str(folder)
    RemoteShards(url).read(INFO_FILE, [(0, 1)])  # without ranges, whole shards would come
    with tempfile.TemporaryDirectory() as partial:
        for name in (INFO_FILE, MANIFEST_FILE):
            RemoteShards(url).fetch(name, Path(partial, name))
        manifest = read_pairs(Path(partial))
    shards = manifest.info.shards
    remote = RemoteShards(url, {shard.name: shard.size for shard in shards})
    if cache is None:
        return replace(manifest, folder=Path(url), source=remote)
    key = hashlib.sha256(url.encode()).hexdigest()[:12] + manifest.info.manifest_sha256[:12]
    cached = CachedShards(
        remote,
        cache.folder,
        key,
        limit_bytes=int(cache.gib * 2**30),
        hashes={shard.name: shard.sha256 for shard in shards},
    )
    return replace(manifest, folder=Path(url), source=cached)

"""Whole shards of a remote folder on a local disk, shared by the processes of a machine."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock

from medvlp.data.shards import LocalShards
from medvlp.errors import DataError
from medvlp.io import content_sha256, publish_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["CachedShards", "Fetching"]


class Fetching(Protocol):
    """A remote folder, as far as a cache asks it."""

    def fetch(self, name: str, path: Path) -> None:
        """Copy a whole file to a path."""

    def name(self, shard: str) -> str:
        """Return the address of a file, for messages."""


class CachedShards:
    """Shards of a remote folder: fetched whole when they are first read, and kept.

    Args:
        remote: The folder.
        folder: Where shards are kept.
        key: Name of this remote folder's part of it.
        limit_bytes: The shards of all remote folders together are kept up to this size; one that
            is being read may be deleted, and is then fetched again when it is next opened.
        hashes: SHA-256 of each shard, where it is known.
    """

    def __init__(
        self,
        remote: Fetching,
        folder: Path,
        key: str,
        *,
        limit_bytes: int,
        hashes: Mapping[str, str],
    ) -> None:
        self._remote = remote
        self._root = folder
        self._folder = folder / key
        self._limit_bytes = limit_bytes
        self._hashes = dict(hashes)
        self._local = LocalShards(self._folder)

    def read(self, shard: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a shard; less than was asked for where the shard ends before.

        Args:
            shard: Its file name.
            ranges: First byte and number of bytes of each, ascending.

        Raises:
            DataError: If the shard cannot be fetched (MV1702, MV1812, MV1820, MV1821), or is not
                the one that was written (MV1813).
            OutputError: If it cannot be kept (MV1104 to MV1106).
        """
        if not self._local.is_open(shard):
            self._provide(shard)
        return self._local.read(shard, ranges)

    def name(self, shard: str) -> str:
        """Return the address of a shard, for messages."""
        return self._remote.name(shard)

    def close(self) -> None:
        """Close the shards; the next read opens them again."""
        self._local.close()

    def _provide(self, shard: str) -> None:
        path = self._folder / os.path.basename(shard)
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / f".{path.name}.lock"):
            if path.exists():
                os.utime(path)
                return
            with publish_file(path) as partial:
                self._remote.fetch(shard, partial)
                found, wanted = content_sha256(partial), self._hashes.get(shard)
                if wanted not in (None, found):
                    raise DataError(
                        "MV1813",
                        f"shard {self.name(shard)} has SHA-256 {found}",
                        expected=f"{wanted}, as pairs.json lists",
                        hint="it was altered, or belongs to another folder: copy it again",
                    )
                self._make_room(partial.stat().st_size)

    def _make_room(self, size: int) -> None:
        """Delete the shards that were not opened for longest."""
        kept = []
        for path in self._root.glob("*/[!.]*.tar"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                kept.append((stat.st_mtime_ns, stat.st_size, path))
        left = self._limit_bytes - size - sum(entry[1] for entry in kept)
        for _, freed, path in sorted(kept):
            if left >= 0:
                return
            path.unlink(missing_ok=True)
            left += freed

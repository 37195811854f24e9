"""Whole shards are kept up to a size; the one not opened for longest goes first."""

import os
import pickle
from pathlib import Path

import pytest

from medvlp.data.shard_cache import CachedShards
from medvlp.errors import DataError


class Remote:
    """A folder that counts what is fetched."""

    def __init__(self):
        self.fetched = []

    def fetch(self, name: str, path: Path) -> None:
        self.fetched.append(name)
        path.write_bytes(name[:1].encode() * 1000)

    def name(self, shard: str) -> str:
        return f"far/{shard}"


def build(folder, limit_bytes=10**6, **hashes):
    remote = Remote()
    shards = CachedShards(remote, folder, "key", limit_bytes=limit_bytes, hashes=hashes)
    return shards, remote


def test_cached_shards__fetches_once_for_all_processes(tmp_path):
    shards, remote = build(tmp_path)
    assert shards.read("a.tar", [(0, 3), (998, 5)]) == [b"aaa", b"aa"]
    shards.close()
    copy = pickle.loads(pickle.dumps(shards))  # noqa: S301 - our own bytes
    assert copy.read("a.tar", [(0, 2)]) == [b"aa"]
    other, its_remote = build(tmp_path)
    assert other.read("a.tar", [(1, 2)]) == [b"aa"]
    assert (remote.fetched, its_remote.fetched) == (["a.tar"], [])


def test_cached_shards__deletes_what_was_not_opened_for_longest(tmp_path):
    shards, remote = build(tmp_path, limit_bytes=2500)
    for number, name in enumerate(("a.tar", "b.tar")):
        shards.read(name, [(0, 1)])
        os.utime(tmp_path / "key" / name, (number, number))
    shards.read("c.tar", [(0, 1)])
    kept = sorted(path.name for path in (tmp_path / "key").glob("*.tar"))
    assert kept == ["b.tar", "c.tar"]
    assert shards.read("a.tar", [(0, 1)]) == [b"a"]
    shards.close()
    assert shards.read("a.tar", [(0, 1)]) == [b"a"]
    assert remote.fetched == ["a.tar", "b.tar", "c.tar", "a.tar"]


def test_cached_shards__keeps_no_shard_of_another_hash(tmp_path):
    shards, _ = build(tmp_path, **{"a.tar": "0" * 64})
    with pytest.raises(DataError, match=r"MV1813: shard far/a.tar has SHA-256 \w+; expected 000"):
        shards.read("a.tar", [(0, 1)])
    assert not (tmp_path / "key" / "a.tar").exists()

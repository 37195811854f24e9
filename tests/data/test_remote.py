"""Pairs are read over HTTP and from any file system that fsspec knows; failures are named."""

import contextlib
import http.server
import pickle
import re
import shutil
import threading
from pathlib import Path

import fsspec
import pytest

from medvlp.data.pairs import read_pairs
from medvlp.data.remote import RemoteShards, ShardCacheSettings, is_remote, open_pairs
from medvlp.data.shards import ShardReader
from medvlp.errors import DataError


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves files, and ranges of them as S3 and nginx do."""

    honours = True
    fails = 0
    status = 503

    def log_message(self, *_):
        pass

    def failed(self):
        if type(self).fails:
            type(self).fails -= 1
            self.send_error(self.status)
            return True
        return False

    def do_HEAD(self):
        if not self.failed():
            super().do_HEAD()

    def do_GET(self):
        if self.failed():
            return
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not path.is_file() or wanted is None or not self.honours:
            super().do_GET()
            return
        first, last = (int(value) for value in wanted.groups())
        if first >= path.stat().st_size:
            self.send_error(416)
            return
        content = path.read_bytes()[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{path.stat().st_size}")
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def served(folder, **settings):
    handler = type("Handler", (Ranges,), settings)
    make = lambda *args: handler(*args, directory=str(folder))  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def in_memory(pairs_folder):
    files = fsspec.filesystem("memory")
    for path in pairs_folder.iterdir():
        files.pipe(f"/pairs/{path.name}", path.read_bytes())
    yield files
    files.rm("/pairs", recursive=True)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("medvlp.data.remote._FIRST_PAUSE_S", 0.001)


def contents(manifest):
    reader = manifest.open_shards()
    found = reader.read_many([row.place for row in manifest.rows("train")])
    reader.close()
    return found


def test_is_remote__knows_addresses(tmp_path):
    assert is_remote("s3://bucket/pairs")
    assert not is_remote(tmp_path)


def test_open_pairs__reads_ranges_from_any_file_system(pairs_folder, in_memory):
    expected = contents(read_pairs(pairs_folder))
    manifest = open_pairs("memory://pairs")
    assert contents(manifest) == expected
    copy = pickle.loads(pickle.dumps(manifest.open_shards()))  # noqa: S301 - our own bytes
    assert copy.read(manifest.rows("train")[0].place) == expected[0]
    assert contents(open_pairs(pairs_folder)) == expected


def test_open_pairs__reads_ranges_over_http(pairs_folder):
    expected = contents(read_pairs(pairs_folder))
    with served(pairs_folder) as (url, _):
        assert contents(open_pairs(url)) == expected


def test_open_pairs__keeps_whole_shards_on_this_machine(pairs_folder, tmp_path, in_memory):
    cache = ShardCacheSettings(folder=tmp_path / "cache", gib=1)
    expected = contents(read_pairs(pairs_folder))
    manifest = open_pairs("memory://pairs/", cache)
    assert contents(manifest) == expected
    for name in ("000000.tar", "000001.tar"):
        in_memory.rm(f"/pairs/{name}")
    assert contents(manifest) == expected


def test_remote_shards__tries_again_where_the_network_slips(pairs_folder, impatient):
    with served(pairs_folder) as (url, handler):
        manifest = open_pairs(url)
        handler.fails = 2
        place = manifest.rows("train")[0].place
        assert manifest.open_shards().read(place) == contents(read_pairs(pairs_folder))[0]
        handler.fails = 10**6
        with pytest.raises(DataError, match=r"MV1820: .*000000.tar cannot be read: .*4 times"):
            manifest.open_shards().read(place)


def test_remote_shards__tries_again_where_a_size_is_not_told(pairs_folder, impatient, tmp_path):
    with served(pairs_folder) as (url, handler):
        handler.fails = 4  # HEAD and GET, twice
        RemoteShards(url).fetch("pairs.json", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == (pairs_folder / "pairs.json").read_bytes()
        handler.fails = 10**6
        with pytest.raises(DataError, match=r"MV1820: .*pairs.json .*503.*4 times"):
            RemoteShards(url).fetch("pairs.json", tmp_path / "a")
        for handler.status in (404, 410):
            with pytest.raises(DataError, match=r"MV1702: .*no such file"):
                RemoteShards(url).fetch("pairs.json", tmp_path / "a")
            with pytest.raises(DataError, match=r"MV1702: .*no such file"):
                RemoteShards(url).read("pairs.json", [(0, 1)])
    with pytest.raises(DataError, match="MV1820"):
        RemoteShards(url).fetch("pairs.json", tmp_path / "a")


def test_remote_shards__tells_the_size_of_a_shard_that_was_cut_over_http(pairs_folder, tmp_path):
    shutil.copytree(pairs_folder, tmp_path / "cut")
    rows = read_pairs(pairs_folder).rows("train")
    with served(tmp_path / "cut") as (url, _):
        manifest = open_pairs(url)
        shard = tmp_path / "cut" / "000000.tar"
        shard.write_bytes(shard.read_bytes()[:600])
        with pytest.raises(DataError, match=r"MV1812: shard .*000000.tar has 600 bytes"):
            manifest.open_shards().read(rows[1].place)
        with pytest.raises(DataError, match=r"MV1702: .*it has 600 bytes"):
            ShardReader(RemoteShards(url)).read(rows[1].place)


def test_remote_shards__names_what_is_missing_short_or_altered(pairs_folder, in_memory, tmp_path):
    manifest = open_pairs("memory://pairs")
    rows = manifest.rows("train")
    first = bytearray(in_memory.cat("/pairs/000000.tar"))
    first[rows[1].place.offset + 9] ^= 1
    in_memory.pipe("/pairs/000000.tar", bytes(first[: rows[3].place.offset + 5]))
    in_memory.rm("/pairs/000001.tar")
    good, altered, _, short = manifest.open_shards().read_many([row.place for row in rows[:4]])
    assert isinstance(good, bytes)
    assert (altered.code, short.code) == ("MV1813", "MV1702")
    with pytest.raises(DataError, match=r"MV1702: shard memory://pairs/000001.tar .*no such file"):
        manifest.open_shards().read(rows[4].place)
    cached = open_pairs("memory://pairs", ShardCacheSettings(folder=tmp_path / "cache"))
    with pytest.raises(DataError, match=r"MV1812: shard memory://pairs/000000.tar has \d+ bytes"):
        contents(cached)
    in_memory.pipe("/pairs/000000.tar", bytes(first))
    with pytest.raises(DataError, match=r"MV1813: shard .*000000.tar has SHA-256"):
        contents(cached)
    assert not list((tmp_path / "cache").glob("*/*.tar"))


def test_open_pairs__refuses_a_server_without_ranges(pairs_folder):
    with (
        served(pairs_folder, honours=False) as (url, _),
        pytest.raises(DataError, match=r"MV1821: .*pairs.json .* came where 1 were asked for"),
    ):
        open_pairs(url)


def test_remote_shards__refuses_a_server_without_ranges(pairs_folder):
    with (
        served(pairs_folder, honours=False) as (url, _),
        pytest.raises(DataError, match=r"MV1821: .* bytes came where 5 were asked for"),
    ):
        ShardReader(RemoteShards(url)).read(
            read_pairs(pairs_folder).rows("train")[0].place.__class__("000000.tar", 512, 5)
        )


def test_remote_shards__refuses_an_address_that_nothing_knows():
    with pytest.raises(DataError, match="MV1820: nonsense://x cannot be opened"):
        open_pairs("nonsense://x")

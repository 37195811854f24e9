"""Everything that is not as it was written is named; the rest of the folder is still judged."""

import pyarrow.parquet as pq
import pytest

from medvlp.data.pairs import INFO_FILE, MANIFEST_FILE, read_pairs
from medvlp.data.verifying import verify_pairs
from medvlp.errors import MedvlpError


def faults(folder):
    return [(b.sample, b.code) for _, _, bad in verify_pairs(folder, threads=2) for b in bad]


def test_verify_pairs__finds_nothing_in_a_whole_folder(pairs_folder):
    found = list(verify_pairs(pairs_folder))
    assert [(name, count) for name, count, _ in found] == [
        ("000000.tar", 4),
        ("000001.tar", 4),
        ("000002.tar", 2),
    ]
    assert faults(pairs_folder) == []


def test_verify_pairs__names_an_altered_sample_and_its_shard(pairs_folder):
    place = read_pairs(pairs_folder).rows("train")[1].place
    content = bytearray((pairs_folder / place.shard).read_bytes())
    content[place.offset + 20] ^= 255
    (pairs_folder / place.shard).write_bytes(bytes(content))
    assert faults(pairs_folder) == [("000000.tar", "MV1813"), ("tile_001", "MV1813")]


def test_verify_pairs__names_what_a_short_and_a_missing_shard_lack(pairs_folder):
    path = pairs_folder / "000000.tar"
    place = read_pairs(pairs_folder).rows("train")[2].place
    path.write_bytes(path.read_bytes()[: place.offset + 3])
    (pairs_folder / "000002.tar").unlink()
    assert faults(pairs_folder) == [
        ("000000.tar", "MV1813"),
        ("tile_002", "MV1702"),
        ("tile_003", "MV1702"),
        ("tile_008", "MV1702"),
        ("tile_009", "MV1702"),
    ]


def test_verify_pairs__names_shards_that_were_swapped(pairs_folder):
    one, two = (pairs_folder / f"00000{number}.tar" for number in (0, 1))
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    found = faults(pairs_folder)
    assert {name for name, _ in found} >= {"000000.tar", "000001.tar", "tile_000", "tile_007"}


def test_verify_pairs__refuses_a_manifest_of_another_folder(pairs_folder):
    table = pq.read_table(pairs_folder / MANIFEST_FILE)
    pq.write_table(table.slice(1), pairs_folder / MANIFEST_FILE)
    with pytest.raises(MedvlpError, match=f"is not the one that {INFO_FILE} was written with"):
        faults(pairs_folder)

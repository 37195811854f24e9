"""A folder of pairs gives back what was written, byte for byte the same each time, or refuses."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from medvlp.data.image_codec import decode_image
from medvlp.data.pairs import INFO_FILE, MANIFEST_FILE, PairRecord, read_pairs, write_pairs
from medvlp.data.shards import ShardReader
from medvlp.errors import MedvlpError
from medvlp.io import content_sha256
from tests.data.conftest import make_records


def test_read_pairs__gives_back_what_was_written(pairs_folder, records):
    manifest = read_pairs(pairs_folder)
    assert (manifest.info.modality, manifest.info.mpp, manifest.info.tile_px) == ("slide", 0.5, 24)
    rows = [*manifest.rows("train"), *manifest.rows("validation")]
    reader = ShardReader(pairs_folder)
    for row, record in zip(rows, records, strict=True):
        assert (row.sample_id, row.captions) == (record.sample_id, record.captions)
        assert (row.group_id, row.concept_ids) == (record.group_id, record.concept_ids)
        image = decode_image(reader.read(row.place), row.sample_id)
        np.testing.assert_array_equal(image, record.image)
    reader.close()


def test_write_pairs__holds_the_columns_of_the_manifest(pairs_folder):
    table = pq.read_table(pairs_folder / MANIFEST_FILE)
    stored = ["sample_id", "shard", "offset", "size", "modality"]
    known = ["group_id", "concept_ids", "captions", "split", "source", "licence"]
    assert table.column_names == [*stored, *known, "crc32"]
    assert set(table["shard"].to_pylist()) == {"000000.tar", "000001.tar", "000002.tar"}


def test_write_pairs__writes_the_same_bytes_again(tmp_path):
    for name in ("one", "two"):
        write_pairs(tmp_path / name, make_records(), modality="slide")
    assert content_sha256(tmp_path / "one") == content_sha256(tmp_path / "two")


def test_write_pairs__takes_records_one_by_one(tmp_path):
    count = write_pairs(tmp_path / "p", (r for r in make_records()), modality="slide")
    assert count == 10


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"sample_id": "tile_000"}, "'tile_000' is used twice"),
        ({"captions": ()}, "has no caption"),
        ({"sample_id": "a/b"}, "sample_id must be"),
    ],
)
def test_write_pairs__refuses_bad_records_and_leaves_nothing(tmp_path, records, change, phrase):
    bad = PairRecord(**{**vars(records[1]), **change})
    with pytest.raises(ValueError, match=phrase):
        write_pairs(tmp_path / "p", [records[0], bad], modality="slide")
    assert list(tmp_path.iterdir()) == []


def test_rows__names_the_splits_that_are_there(pairs_folder):
    with pytest.raises(MedvlpError, match=r"no pairs in split 'test'; expected one of \['train'"):
        read_pairs(pairs_folder).rows("test")


def damage(folder, how: str) -> None:
    manifest = folder / MANIFEST_FILE
    info = json.loads((folder / INFO_FILE).read_text())
    if how == "no manifest":
        manifest.unlink()
    elif how == "cut manifest":
        manifest.write_bytes(manifest.read_bytes()[:-20])
    elif how == "changed manifest":
        table = pq.read_table(manifest)
        pq.write_table(table.slice(1), manifest)
    elif how == "no column":
        pq.write_table(pq.read_table(manifest).drop_columns(["captions"]), manifest)
        info["manifest_sha256"] = content_sha256(manifest)
        (folder / INFO_FILE).write_text(json.dumps(info))
    elif how == "unknown key":
        (folder / INFO_FILE).write_text(json.dumps({**info, "mppp": 1.0}))
    elif how == "shard elsewhere":
        info["shards"][0]["name"] = "../000000.tar"
        (folder / INFO_FILE).write_text(json.dumps(info))
    else:
        (folder / INFO_FILE).unlink()


@pytest.mark.parametrize(
    ("how", "phrase"),
    [
        ("no manifest", "pairs.parquet"),
        ("cut manifest", "cannot be read"),
        ("changed manifest", "is not the one that"),
        ("no column", "column 'captions' is missing"),
        ("unknown key", "mppp is not a known key"),
        ("shard elsewhere", r"shards\[0\].name="),
        ("no info", "pairs.json"),
    ],
)
def test_read_pairs__refuses_a_damaged_folder(pairs_folder, how, phrase):
    damage(pairs_folder, how)
    with pytest.raises(MedvlpError, match=phrase) as caught:
        read_pairs(pairs_folder)
    assert caught.value.code == "MV1701"

"""Packed features come back in half precision, any rows of them, and damage is named."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.data.bags import BAGS_FILE, BAGS_INFO_FILE, BagReader, read_bags
from medvlp.errors import DataError
from medvlp.io import content_sha256
from tests.data.bag_folders import LENGTHS, write_bags


def test_bags__come_back_whole_and_in_part(tmp_path):
    written = write_bags(tmp_path / "bags")
    manifest = read_bags(tmp_path / "bags")
    assert [bag.num_rows for bag in manifest.splits["train"]] == list(LENGTHS[:-1])
    assert [bag.bag_id for bag in manifest.splits["validation"]] == ["slide6"]
    reader = pickle.loads(pickle.dumps(BagReader(manifest)))  # noqa: S301 - our own bytes
    for bag in manifest.splits["train"]:
        expected = written[bag.bag_id].astype(np.float16)
        rows = np.array([0, 2, bag.num_rows - 1])
        np.testing.assert_array_equal(reader.features(bag), expected)
        np.testing.assert_array_equal(reader.features(bag, rows), expected[rows])
        np.testing.assert_array_equal(reader.coords(bag)[rows], reader.coords(bag, rows))


def altered(folder):
    content = bytearray((folder / "000000.npy").read_bytes())
    content[-3] ^= 1
    (folder / "000000.npy").write_bytes(bytes(content))


def short(folder):
    (folder / "000000.npy").write_bytes((folder / "000000.npy").read_bytes()[:-20])


def missing(folder):
    (folder / "000000.npy").unlink()


def other_form(folder):
    size = (folder / "000000.npy").stat().st_size
    np.save(folder / "000000.npy", np.zeros((size - 128) // 4, np.float32))


@pytest.mark.parametrize("damage", [altered, short, missing, other_form])
def test_bag_reader__names_a_file_that_was_damaged(tmp_path, damage):
    write_bags(tmp_path / "bags")
    manifest = read_bags(tmp_path / "bags")
    damage(tmp_path / "bags")
    reader = BagReader(manifest)
    last = manifest.splits["train"][2]
    with pytest.raises(DataError, match=r"MV1823: .*000000\.npy cannot be read"):
        reader.features(last)


def rewrite(folder, rows):
    table = pq.read_table(folder / BAGS_FILE)
    pq.write_table(pa.Table.from_pylist(rows(table.to_pylist()), table.schema), folder / BAGS_FILE)
    info = (folder / BAGS_INFO_FILE).read_text()
    old = read_sha(info)
    (folder / BAGS_INFO_FILE).write_text(info.replace(old, content_sha256(folder / BAGS_FILE)))


def read_sha(info):
    return info.split('"manifest_sha256": "')[1][:64]


@pytest.mark.parametrize(
    ("rows", "phrase"),
    [
        (lambda rows: [*rows, rows[0]], "MV1774: .* bag_id 'slide0' in rows 0 and 7"),
        (lambda rows: [{**rows[0], "shard": "../x.npy"}], "MV1822: .* row 0 of bags.parquet"),
        (lambda rows: [{**rows[0], "first_row": -1}], "MV1822: .* row 0"),
        (lambda rows: [{**rows[0], "split": "tests"}], "MV1822: .* row 0"),
    ],
)
def test_read_bags__refuses_rows_that_cannot_be(tmp_path, rows, phrase):
    write_bags(tmp_path / "bags")
    rewrite(tmp_path / "bags", rows)
    with pytest.raises(DataError, match=phrase):
        read_bags(tmp_path / "bags")


def test_read_bags__refuses_what_is_no_folder_of_bags(tmp_path):
    with pytest.raises(DataError, match=r"MV1822: .* is not a folder of bags"):
        read_bags(tmp_path)
    write_bags(tmp_path / "one")
    write_bags(tmp_path / "two", LENGTHS[::-1])
    (tmp_path / "one" / BAGS_FILE).write_bytes((tmp_path / "two" / BAGS_FILE).read_bytes())
    with pytest.raises(DataError, match=r"is not the one that bags\.json was written with"):
        read_bags(tmp_path / "one")

"""Rows are made when they are asked for, and are what the manifest says."""

import pickle

import pytest

from medvlp.data.manifest import make_pairs_table
from medvlp.data.pair_rows import PairRows
from medvlp.data.shards import Place
from tests.data.pair_rows import ROWS


def test_pair_rows__gives_rows_one_by_one_and_all_together():
    rows = PairRows(make_pairs_table(ROWS))
    assert len(rows) == 6
    assert list(rows) == [rows[index] for index in range(6)] == list(rows[:])
    assert rows[-1] == rows[5]
    assert rows[1].captions == tuple(ROWS[1]["captions"])
    assert rows.concepts(1) == rows[1].concept_ids == ("DOID:1", "DOID:1")
    assert rows.place(2) == rows[2].place == Place("000000.tar", 2560, 102)
    with pytest.raises(IndexError, match="there are 6 pairs, got number 6"):
        rows[6]


def test_pair_rows__travels_to_other_processes_with_shards_and_checksums():
    entries = [{**row, "crc32": 7, "shard": f"{i // 4:06d}.tar"} for i, row in enumerate(ROWS)]
    rows = PairRows(make_pairs_table(entries))
    copy = pickle.loads(pickle.dumps(rows))  # noqa: S301 - our own bytes
    assert list(copy) == list(rows)
    assert copy.shard_number.tolist() == [0, 0, 0, 0, 1, 1]
    assert copy[4].place == Place("000001.tar", 512 * 9, 104, 7)


def test_pair_rows__may_be_empty():
    assert list(PairRows(make_pairs_table(ROWS).of_split("validation"))) == []

"""Bad samples are counted over ranks and runs, listed by name, and stop a run when many."""

import logging

import pytest

from medvlp.data.quarantine import BadSample, Quarantine
from medvlp.errors import DataError
from medvlp.io import read_csv


def bad(name):
    return BadSample(name, "MV1813", f"shard x: {name}")


def test_quarantine__stops_at_the_first_bad_sample_unless_told():
    with pytest.raises(DataError, match=r"MV1815: 1 samples cannot be read: a; .* 0 at most"):
        Quarantine().note([bad("a")])
    with pytest.raises(ValueError, match="most must be 0 or more"):
        Quarantine(-1)


def test_quarantine__counts_samples_of_all_ranks_once(tmp_path):
    ranks = [Quarantine(2), Quarantine(2)]
    for rank, quarantine in enumerate(ranks):
        quarantine.open(tmp_path, rank)
    ranks[0].note([bad("a"), bad("a")])
    ranks[1].note([bad("a"), bad("b")])
    ranks[0].note([bad("a")])
    with pytest.raises(DataError, match="MV1815: 3 samples cannot be read: a, b, c"):
        ranks[0].note([bad("c")])
    again = Quarantine(3)
    again.open(tmp_path, 0)
    again.note([bad("c"), bad("a")])
    assert [entry.sample for entry in again.found()] == ["a", "b", "c"]


def test_quarantine__is_listed_and_told_at_the_end(tmp_path, caplog):
    quarantine = Quarantine(5)
    quarantine.open(tmp_path, 0)
    quarantine.close()
    assert not (tmp_path / "quarantine.csv").exists()
    quarantine.open(tmp_path, 0)
    with caplog.at_level(logging.WARNING):
        quarantine.note([bad("b"), bad("a")])
        (tmp_path / "quarantine" / "rank_1.jsonl").write_text('{"sample": "cut')
        quarantine.close()
        quarantine.close()
    assert [row["sample"] for row in read_csv(tmp_path / "quarantine.csv")] == ["a", "b"]
    told = [message for message in caplog.messages if "were left out: a, b" in message]
    assert len(told) == 1

"""Bad samples are absent from their batches, alike on replay, and the run's folder names them."""

import json
import shutil

import pytest

from medvlp.data.pairs import read_pairs
from medvlp.errors import DataError
from medvlp.io import read_csv
from medvlp.training.cli import main


@pytest.fixture
def altered(striped_pairs, tmp_path):
    """The pairs with two altered samples, one of them in training."""
    folder = tmp_path / "altered"
    shutil.copytree(striped_pairs, folder)
    rows = read_pairs(folder).rows("train")
    with (folder / rows[0].place.shard).open("r+b") as file:
        for row in (rows[5], rows[17]):
            file.seek(row.place.offset + 30)
            file.write(b"####")
    return folder


def steps(folder):
    lines = (folder / "trace" / "rank_0.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_care_for_loaders__lists_bad_samples_and_leaves_the_others_in_order(
    smoke_args, striped_pairs, altered, tmp_path
):
    args = [*smoke_args, "--run.trace=true", "--trainer.max_epochs=1", "--trainer.max_steps=-1"]
    runs = {}
    for name, folder in (("whole", striped_pairs), ("one", altered), ("two", altered)):
        runs[name] = tmp_path / name
        words = [f"--run.folder={runs[name]}", f"--data.folder={folder}", "--data.most_bad=2"]
        assert main([*args, *words]) == 0
    whole, one, two = (steps(runs[name]) for name in ("whole", "one", "two"))
    assert one == two
    bad = {"tile_005", "tile_017"}
    for expected, found in zip(whole, one, strict=True):
        assert found["samples"] == [name for name in expected["samples"] if name not in bad]
    listed = read_csv(runs["one"] / "quarantine.csv")
    assert {row["sample"] for row in listed} <= bad
    assert {row["code"] for row in listed} == {"MV1813"}
    assert not (runs["whole"] / "quarantine.csv").exists()


def test_care_for_loaders__stops_where_more_samples_are_bad_than_may_be(smoke_args, altered):
    words = [*smoke_args, f"--data.folder={altered}", "--trainer.max_steps=-1"]
    words.append("--trainer.max_epochs=1")
    with pytest.raises(DataError, match=r"MV1813: sample tile_0\d\d: shard .* have CRC-32"):
        main(words)
    with pytest.raises(DataError, match=r"MV1815: 2 samples cannot be read: tile_005, tile_017"):
        main([*words, "--data.most_bad=1"])

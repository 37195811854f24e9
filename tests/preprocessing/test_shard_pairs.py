"""The entry point shards, does nothing the second time, verifies, and exits honestly."""

from pathlib import Path

from medvlp.cli.entry import run
from preprocessing.shard_pairs import ShardPairsConfig, main, words_of
from tests.pipelines.sharding.conftest import write_table

CONFIG = str(Path(__file__).parents[2] / "configs" / "preprocess" / "shards.yaml")


def call(*words):
    return run(main, ShardPairsConfig, words_of([CONFIG, "processes=1", *words]))


def test_main__shards_verifies_and_names_what_was_altered(tmp_path, capsys):
    source = write_table(tmp_path / "source", 5)
    words = (f"source={source}", f"out={tmp_path / 'out'}", "samples_per_shard=2")
    assert call(*words) == 0
    assert "3 of 3 items done" in capsys.readouterr().out
    assert call(*words) == 0
    assert call(words[1], "--verify") == 0
    tar = tmp_path / "out" / "000001.tar"
    content = bytearray(tar.read_bytes())
    content[530] ^= 1
    tar.write_bytes(bytes(content))
    assert call(words[1], "--verify") == 1
    told = capsys.readouterr().err
    assert "failed 000001.tar: MV1813" in told
    assert "failed im2-" in told


def test_main__lists_bad_images_and_refuses_a_source_that_is_not_given(tmp_path, capsys):
    source = write_table(tmp_path / "source", 4)
    (source.parent / "im1.jpg").write_bytes(b"")
    words = (f"source={source}", f"out={tmp_path / 'out'}", "most_bad=0.5")
    assert call(*words) == 1
    assert "failed sample im1-" in capsys.readouterr().err
    assert call("source=null", words[1]) == 2

"""The manifest of a folder of shards groups samples by what the source or their captions say."""

from pathlib import Path

import pytest

from medvlp.data.pairs import read_pairs
from medvlp.errors import MedvlpError
from medvlp.pipelines.sharding.folder import publish_shards
from medvlp.pipelines.sharding.settings import ShardSettings
from medvlp.pipelines.sharding.sources import ShardSample


def row(name, text, group="", *, side=8, split="train"):
    where = {"path": Path("x"), "place": ""}
    sample = ShardSample(sample_id=name, captions=(text,), group=group, split=split, **where)
    place = {"shard": "000000.tar", "offset": 512, "size": 1, "crc32": 0}
    return {**place, "size_px": (8, side), "sample": sample}


def test_publish_shards__groups_equal_captions_and_named_groups(tmp_path):
    texts = [("Lung  Cancer", ""), ("lung cancer", ""), ("lung cancer", "g"), ("other", "g")]
    rows = [row(f"s{n}", *words, side=8 + n) for n, words in enumerate(texts)]
    publish_shards(tmp_path, rows, ShardSettings(modality="ct"))
    manifest = read_pairs(tmp_path)
    assert [row.group_id for row in manifest.rows("train")] == [0, 0, 1, 1]
    assert (manifest.info.tile_px, manifest.info.modality) == (None, "ct")


def test_publish_shards__refuses_what_could_not_be_read_back(tmp_path):
    with pytest.raises(MedvlpError, match=r"MV1701: .*split"):
        publish_shards(tmp_path, [row("s", "a", split="nowhere")], ShardSettings())

"""The manifest of a folder of shards groups samples by what the source or their captions say."""

from pathlib import Path

from medvlp.data.pairs import read_pairs
from medvlp.pipelines.sharding.folder import publish_shards
from medvlp.pipelines.sharding.settings import ShardSettings
from medvlp.pipelines.sharding.sources import ShardSample


def test_publish_shards__groups_equal_captions_and_named_groups(tmp_path):
    texts = [("Lung  Cancer", ""), ("lung cancer", ""), ("lung cancer", "g"), ("other", "g")]
    rows = [
        {
            **{"shard": "000000.tar", "offset": 512, "size": 1, "crc32": 0},
            "size_px": (8, 8 + number),
            "sample": ShardSample(
                sample_id=f"s{number}", path=Path("x"), place="", captions=(text,), group=group
            ),
        }
        for number, (text, group) in enumerate(texts)
    ]
    publish_shards(tmp_path, rows, ShardSettings(modality="ct"))
    manifest = read_pairs(tmp_path)
    assert [row.group_id for row in manifest.rows("train")] == [0, 0, 1, 1]
    assert (manifest.info.tile_px, manifest.info.modality) == (None, "ct")

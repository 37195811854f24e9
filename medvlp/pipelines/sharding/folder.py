"""The manifest of a folder of shards, from what is known of every sample."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medvlp.data.manifest import PairsTable
from medvlp.data.pairs import STORED_SCHEMA, read_pairs, shard_facts, write_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.pipelines.sharding.settings import ShardSettings
    from medvlp.pipelines.sharding.sources import ShardSample

__all__ = ["publish_shards"]


def publish_shards(folder: Path, rows: Sequence[dict[str, Any]], settings: ShardSettings) -> None:
    """Write the manifest of shards that lie in a folder already, and read it back.

    Samples without a group get one with all that have the same first caption, letters' case aside:
    such captions fit each other's images, and must not be taken for negatives.

    Args:
        folder: Where the shards are.
        rows: Shard, offset, size, crc32, size_px and sample of each, in order.
        settings: What all samples have in common.

    Raises:
        MedvlpError: If what was written cannot be read (MV1701).
    """
    groups: dict[str, int] = {}
    entries = []
    for row in rows:
        sample: ShardSample = row["sample"]
        group = groups.setdefault(_group_of(sample), len(groups))
        entries.append(
            {
                **{name: row[name] for name in ("shard", "offset", "size", "crc32")},
                "sample_id": sample.sample_id,
                "modality": settings.modality,
                "group_id": group,
                "concept_ids": list(sample.concepts),
                "captions": list(sample.captions),
                "split": sample.split,
                "source": sample.source,
                "licence": sample.licence,
            }
        )
    sides = {side for row in rows for side in row["size_px"]}
    write_manifest(
        folder,
        PairsTable(pa.Table.from_pylist(entries, schema=STORED_SCHEMA)),
        [shard_facts(path) for path in sorted(folder.glob("*.tar"))],
        modality=settings.modality,
        mpp=settings.mpp,
        tile_px=sides.pop() if len(sides) == 1 else None,
    )
    read_pairs(folder)


def _group_of(sample: ShardSample) -> str:
    if sample.group:
        return f"group {sample.group}"
    text = " ".join(sample.captions[0].casefold().split())
    return f"caption {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

"""Image-caption pairs to tar shards, a byte-offset index and a manifest; or verify such a folder.

Command: python -m preprocessing.shard_pairs configs/preprocess/shards.yaml source=PAIRS.csv out=OUT
         python -m preprocessing.shard_pairs configs/preprocess/shards.yaml out=OUT --verify
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.data.verifying import verify_pairs
from medvlp.errors import UsageError
from medvlp.jobs.outcomes import JobReport, Outcome
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import LeaseSettings
from medvlp.pipelines.sharding.run import shard_pairs
from medvlp.pipelines.sharding.settings import ShardSettings
from medvlp.pipelines.sharding.sources import plan_samples

__all__ = ["ShardPairsConfig", "main", "words_of"]


class ShardPairsConfig(ShardSettings):
    """What to shard, where to, and how."""

    source: Path | None = None
    """A table (.csv, .parquet, .jsonl), a folder of images with texts beside them, a tar in the
    layout of WebDataset, or a folder of such tars."""
    out: Path
    """The new folder; the same command goes on after a stop."""
    images_root: Path | None = None
    """Folder that names of images are relative to; that of the table by default."""
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that read images; on several nodes, start the same command on each."""
    verify: bool = False
    """Read every sample of ``out`` back, and write nothing."""


def main(config: ShardPairsConfig) -> JobReport:
    """Shard the pairs of the configuration, or verify the folder that it names."""
    if config.verify:
        return _verify(config)
    if config.source is None:
        raise UsageError("MV1002", "source is not given", expected="source=PAIRS")
    samples = plan_samples(config.source, config.columns, images=config.images_root)
    settings = ShardSettings(**{name: getattr(config, name) for name in ShardSettings.model_fields})
    shards = -(-len(samples) // config.samples_per_shard)
    with Progress(shards, "shards", label="Sharding") as progress:
        return shard_pairs(
            samples,
            settings,
            config.out,
            progress=progress,
            lease=LeaseSettings(),
            processes=config.processes,
        )


def _verify(config: ShardPairsConfig) -> JobReport:
    outcomes: list[Outcome] = []
    for name, count, bad in verify_pairs(config.out, threads=config.processes):
        outcomes.append(Outcome(name, f"shard {name} of {count} samples", "done", 0.0))
        for fault in bad:
            what = (fault.code, fault.reason)
            outcomes.append(Outcome(fault.sample, fault.sample, "failed", 0.0, "verify", *what))
    return JobReport(tuple(outcomes))


def words_of(arguments: list[str]) -> list[str]:
    """Return the words of a command line, ``--verify`` as the override that it stands for."""
    return ["verify=true" if word == "--verify" else word for word in arguments]


if __name__ == "__main__":
    raise SystemExit(run(main, ShardPairsConfig, words_of(sys.argv[1:])))

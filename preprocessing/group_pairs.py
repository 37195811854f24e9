"""Image-caption pairs to semantic groups: quality, near-duplicates, captions, labels, splits.

Command: python -m preprocessing.group_pairs configs/preprocess/group_pairs.yaml source=IN out=OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from medvlp.cli.entry import run
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.pipelines.pairing.run import group_pairs, pairs_folder
from medvlp.pipelines.pairing.settings import PairingSettings
from medvlp.pipelines.pairing.source import read_source
from medvlp.pipelines.pairing.summary import describe_summary

__all__ = ["GroupPairsConfig", "main"]


class GroupPairsConfig(PairingSettings):
    """What to group, where to, and how."""

    source: Path
    """A table (.csv, .parquet, .jsonl), a .json of semantic groups, or a folder of images with
    texts beside them."""
    out: Path
    """Output folder; the same command goes on after a stop."""
    images_root: Path | None = None
    """Folder that names of images are relative to; that of the source by default."""


def main(config: GroupPairsConfig) -> JobReport:
    """Group the pairs of the configuration, and print what became of every row."""
    rows = read_source(config.source, config.columns, images=config.images_root)
    report = group_pairs(
        rows,
        config,
        config.out,
        open_progress=lambda count: Progress(count, "parts of images", label="Judging"),
        lease=LeaseSettings(),
    )
    if not report.failures:
        sys.stdout.write(describe_summary(pairs_folder(config.out)))
    return report


if __name__ == "__main__":
    raise SystemExit(run(main, GroupPairsConfig))

"""Tile features of slides (HDF5) to bags in half precision, to train slide models from.

Command: python -m preprocessing.pack_bags configs/preprocess/bags.yaml source=FEATURES out=OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.data.manifest_checks import SPLITS
from medvlp.errors import DataError
from medvlp.io import read_csv
from medvlp.jobs.outcomes import JobReport
from medvlp.jobs.progress import Progress
from medvlp.pipelines.pack_bags import pack_bags

__all__ = ["PackBagsConfig", "main"]


class PackBagsConfig(StrictModel):
    """What to pack, and where to."""

    source: Path
    """Folder of feature files (.h5), of this package, TRIDENT or CLAM."""
    out: Path
    """The new folder."""
    splits: Path | None = None
    """Table (.csv) with the columns bag_id and split; null puts all into train."""
    bags_per_shard: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Slides in one file of features."""


def main(config: PackBagsConfig) -> JobReport:
    """Pack every feature file of the configuration."""
    files = {path.stem: path for path in sorted(config.source.glob("*.h5"))}
    rows = [] if config.splits is None else read_csv(config.splits)
    splits = {row.get("bag_id", ""): row.get("split", "") for row in rows}
    wrong = [name for name, split in splits.items() if split not in SPLITS or name not in files]
    if wrong:
        raise DataError(
            "MV1822",
            f"{config.splits}: {wrong[0]!r} is in split {splits[wrong[0]]!r}",
            expected=f"columns bag_id, one of {len(files)} files, and split, one of {SPLITS}",
        )
    with Progress(len(files), "slides", label="Packing") as progress:
        return pack_bags(
            files,
            config.out,
            splits=splits,
            bags_per_shard=config.bags_per_shard,
            progress=progress,
        )


if __name__ == "__main__":
    raise SystemExit(run(main, PackBagsConfig))

"""Slides to tissue, tile coordinates and overlays, one folder per slide.

Command: python -m preprocessing.tile_slides configs/preprocess/tiles.yaml source=SLIDES out=OUT
"""

from __future__ import annotations

from pathlib import Path

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.io import check_output_folder
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.pipelines.discover import discover_cases
from medvlp.pipelines.tile import TileSettings, tile_slides
from medvlp.slides.tiling import TilingConfig

__all__ = ["TileSlidesConfig", "main"]


class TileSlidesConfig(StrictModel):
    """What to tile, where to, and how."""

    source: Path
    """A slide, a folder of slides, or a manifest (.csv, .parquet)."""
    out: Path
    """Output folder; the same command goes on after a stop."""
    tiling: TilingConfig = TilingConfig()
    """Scale, size, overlap and least tissue of the tiles."""
    slide_mpp: float | None = None
    """Micrometres per level-0 pixel of slides whose metadata states none."""


def main(config: TileSlidesConfig) -> JobReport:
    """Tile every slide of the configuration."""
    discovery = discover_cases(config.source, exclude=[config.out], slide_mpp=config.slide_mpp)
    check_output_folder(config.out)
    with Progress(len(discovery.cases), "slides", label="Tiling") as progress:
        return tile_slides(
            discovery,
            TileSettings(tiling=config.tiling),
            config.out,
            progress=progress,
            lease=LeaseSettings(),
        )


if __name__ == "__main__":
    raise SystemExit(run(main, TileSlidesConfig))

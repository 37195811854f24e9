"""``medvlp tile``: tissue and tile plans without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from medvlp.cli.commands.options import (
    DEFAULT_TILES,
    Tiles,
    conclude,
    discover_input,
    tiling_config,
)

__all__ = ["tile"]


def tile(
    source: Path,
    /,
    *,
    out: Path,
    tiles: Tiles = DEFAULT_TILES,
    slide_mpp: float | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Find tissue and plan tiles: coordinates, overlays and a table, without any model.

    Args:
        source: A slide, a folder of slides, or a manifest (.csv, .parquet).
        out: Output folder.
        tiles: Scale and size of the tiles.
        slide_mpp: Micrometres per pixel of slides whose metadata states none.
        json_output: Print JSON for programs.
    """
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.pipelines.tile import TileSettings, tile_slides

    discovery = discover_input(source, out, slide_mpp)
    with Progress(len(discovery.cases), "slides", label="Tiling") as progress:
        report = tile_slides(
            discovery,
            TileSettings(tiling=tiling_config(tiles)),
            out,
            progress=progress,
            lease=LeaseSettings(),
        )
    return conclude(report, out, json_output=json_output)

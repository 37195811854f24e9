"""``medvlp embed``: one feature file per case and model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from medvlp.cli.commands.options import (
    DEFAULT_COMPUTING,
    DEFAULT_TILES,
    Computing,
    Tiles,
    choose_device,
    conclude,
    discover_input,
    embed_settings,
)

__all__ = ["embed"]


def embed(
    source: Path,
    /,
    *,
    model: str,
    out: Path,
    tiles: Tiles = DEFAULT_TILES,
    computing: Computing = DEFAULT_COMPUTING,
    slide_mpp: float | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Encode the tiles of slides to one HDF5 feature file per slide.

    Args:
        source: A slide, a folder of slides, or a manifest (.csv, .parquet).
        model: A bundle folder, hf-hub:OWNER/NAME, open_clip:ARCH/WEIGHTS or timm:ARCH/WEIGHTS.
        out: Output folder; run the same command again to go on after a stop.
        tiles: Scale and size of the tiles.
        computing: Device, precision and limits.
        slide_mpp: Micrometres per pixel of slides whose metadata states none.
        json_output: Print JSON for programs.
    """
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.image_encoder import load_image_encoder
    from medvlp.pipelines.embed import embed_slides

    discovery = discover_input(source, out, slide_mpp)
    device, precision = choose_device(computing)
    encoder = load_image_encoder(model, device=device, precision=precision)
    with Progress(len(discovery.cases), "slides", label="Embedding") as progress:
        report = embed_slides(
            discovery,
            encoder,
            embed_settings(tiles, computing),
            out,
            progress=progress,
            lease=LeaseSettings(),
        )
    return conclude(report, out, json_output=json_output)

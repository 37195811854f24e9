"""``medvlp embed``: one feature file per case and model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from medvlp.cli.commands.options import (
    DEFAULT_COMPUTING,
    DEFAULT_SCANS,
    DEFAULT_TILES,
    Computing,
    Scans,
    Tiles,
    choose_device,
    conclude,
    discover_input,
    embed_settings,
    radiograph_settings,
    scan_settings,
)

__all__ = ["embed"]


def embed(
    source: Path,
    /,
    *,
    model: list[str],
    out: Path,
    tiles: Tiles = DEFAULT_TILES,
    scans: Scans = DEFAULT_SCANS,
    computing: Computing = DEFAULT_COMPUTING,
    slide_mpp: float | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Encode slides, CT scans and X-rays to one HDF5 feature file per case and model.

    Args:
        source: A slide, scan or X-ray, a folder of all, or a manifest (.csv, .parquet).
        model: A bundle folder, hf-hub:OWNER/NAME, open_clip:ARCH/WEIGHTS or timm:ARCH/WEIGHTS for
            slides, volume:NETWORK for scans. May be given several times; each encodes the cases of
            its modality.
        out: Output folder; run the same command again to go on after a stop.
        tiles: Scale and size of the tiles of slides.
        scans: Masks of organs, and what is accepted of scans.
        computing: Device, precision and limits.
        slide_mpp: Micrometres per pixel of slides whose metadata states none.
        json_output: Print JSON for programs.
    """
    from medvlp.config.selection_file import write_selection_file
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.any_encoder import load_any_encoder
    from medvlp.models.model_choice import model_choice
    from medvlp.pipelines.embed import embed_cases, make_embedders, model_key

    discovery = discover_input(source, out, slide_mpp, scans.masks)
    device, precision = choose_device(computing)
    encoders = [load_any_encoder(name, device=device, precision=precision) for name in model]
    embedders = make_embedders(
        encoders,
        embed_settings(tiles, computing),
        scan_settings(scans, computing),
        radiograph_settings(computing),
        out,
    )
    for name, (_, encoder) in zip(model, encoders, strict=True):
        choice = model_choice(name)
        if choice is not None:
            write_selection_file(out / "features" / model_key(encoder.name), choice)
    with Progress(len(discovery.cases), "cases", label="Embedding") as progress:
        report = embed_cases(discovery, embedders, out, progress=progress, lease=LeaseSettings())
    return conclude(report, out, json_output=json_output)

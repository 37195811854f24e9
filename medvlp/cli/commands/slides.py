"""``medvlp tile``, ``medvlp embed`` and ``medvlp zero-shot``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.config.runs import PredictionRow
    from medvlp.embedding.tiles import EmbedSettings
    from medvlp.jobs.runner import JobReport
    from medvlp.pipelines.discover import Discovery
    from medvlp.slides.tiling import TilingConfig

__all__ = ["Computing", "Tiles", "embed", "print_predictions", "tile", "zero_shot"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Tiles:
    """How slides are cut into tiles."""

    mpp: float = 0.5
    """Micrometres per tile pixel (0.5 is what is called 20x)."""
    tile_px: int = 256
    """Side of a tile in pixels."""
    overlap: float = 0.0
    """Share of a tile's side that the next tile repeats, from 0 to below 1."""
    min_tissue: float = 0.5
    """Least share of a tile that is tissue."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Computing:
    """Where and how fast to compute."""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the encoder; auto is bf16 on a GPU and fp32 on a CPU."""
    batch_size: int = 64
    """Tiles per forward pass."""
    max_failed_share: float = 0.1
    """Largest share of undecodable tiles before a slide fails."""
    memory_gib: float = 4.0
    """Memory that reading one slide may take, in GiB."""
    stall_s: float = 300.0
    """Seconds without any tile before reading a slide counts as stuck."""


def tile(
    source: Path,
    /,
    *,
    out: Path,
    tiles: Tiles = Tiles(),
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

    discovery = _discover(source, out, slide_mpp)
    with Progress(len(discovery.cases), "slides", label="Tiling") as progress:
        report = tile_slides(
            discovery,
            TileSettings(tiling=_tiling(tiles)),
            out,
            progress=progress,
            lease=LeaseSettings(),
        )
    return _conclude(report, out, json_output=json_output)


def embed(
    source: Path,
    /,
    *,
    model: str,
    out: Path,
    tiles: Tiles = Tiles(),
    computing: Computing = Computing(),
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

    discovery = _discover(source, out, slide_mpp)
    device, precision = _device(computing)
    encoder = load_image_encoder(model, device=device, precision=precision)
    with Progress(len(discovery.cases), "slides", label="Embedding") as progress:
        report = embed_slides(
            discovery,
            encoder,
            _embed_settings(tiles, computing),
            out,
            progress=progress,
            lease=LeaseSettings(),
        )
    return _conclude(report, out, json_output=json_output)


def zero_shot(
    source: Path,
    /,
    *,
    model: list[str],
    task: list[Path],
    out: Path,
    features: Path | None = None,
    calibration: list[Path] | None = None,
    graph: Path | None = None,
    confidence: float | None = None,
    min_tissue: float = 0.5,
    computing: Computing = Computing(),
    allow_scale: bool = False,
    slide_mpp: float | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Diagnose slides from a task's prompts, without any training on them.

    Args:
        source: A slide, a folder of slides, or a manifest (.csv, .parquet).
        model: An image-text model: a bundle folder, hf-hub:OWNER/NAME or open_clip:ARCH/WEIGHTS.
            May be given several times.
        task: A TASK.yaml with classes, prompts, scale and rule. May be given several times.
        out: Run folder; run the same command again to go on after a stop.
        features: Output folder of an earlier 'medvlp embed' whose features are reused.
        calibration: A file of 'medvlp calibrate' for a model and task given here: calibrated
            confidences and prediction sets. May be given several times.
        graph: A knowledge graph: each case is reported at the deepest node that is certain enough.
        confidence: Least probability of that node; 0.9 where a graph is given.
        min_tissue: Least share of a tile that is tissue.
        computing: Device, precision and limits.
        allow_scale: Accept a task whose scale is not the one the model was trained at.
        slide_mpp: Micrometres per pixel of slides whose metadata states none.
        json_output: Print JSON for programs.
    """
    from medvlp.config.run_tables import read_predictions
    from medvlp.config.task import load_task
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.bundle import load_bundle
    from medvlp.pipelines.diagnose import diagnose_slides
    from medvlp.pipelines.judge import RANDOM_WEIGHTS, DiagnoseSettings

    _check_confidence(confidence)
    tasks = [load_task(path) for path in task]
    discovery = _discover(source, out, slide_mpp)
    device, precision = _device(computing)
    bundles = [load_bundle(name, device=device, precision=precision) for name in model]
    for bundle in bundles:
        if bundle.image_encoder.is_random:
            sys.stderr.write(f"{bundle.name}: {RANDOM_WEIGHTS}\n")
    if (graph is not None or confidence is not None) and not calibration:
        sys.stderr.write("no --calibration: the probabilities of nodes are not calibrated\n")
    settings = DiagnoseSettings(
        embed=_embed_settings(Tiles(min_tissue=min_tissue), computing),
        allow_scale=allow_scale,
        features=features,
        calibrations=tuple(calibration or ()),
        graph=graph,
        confidence=confidence,
    )
    with Progress(len(discovery.cases), "slides", label="Diagnosing") as progress:
        report = diagnose_slides(
            discovery, bundles, tasks, settings, out, progress=progress, lease=LeaseSettings()
        )
    if not json_output:
        print_predictions(read_predictions(out))
    return _conclude(report, out, json_output=json_output)


def print_predictions(rows: Sequence[PredictionRow]) -> None:
    """Print a table of predictions to standard output; model and task only where they differ."""
    from rich.console import Console
    from rich.table import Column, Table

    has_several = len({(row.model, row.task) for row in rows}) > 1
    has_nodes = any(row.node_path is not None for row in rows)
    has_sets = any(row.prediction_set is not None for row in rows)
    table = Table(Column("case", overflow="fold"))
    for name in (
        *(("model", "task") if has_several else ()),
        *("outcome", "score"),
        *(("reported as",) if has_nodes else ()),
        *(("cannot be excluded",) if has_sets else ()),
        "tiles",
    ):
        table.add_column(name)
    for row in rows:
        score = "" if row.confidence is None else f"{row.confidence:.3f}"
        table.add_row(
            row.case_id,
            *((row.model, row.task) if has_several else ()),
            row.prediction or row.status,
            score,
            *((_reported(row),) if has_nodes else ()),
            *((", ".join(row.prediction_set or ()),) if has_sets else ()),
            f"{row.n_used}/{row.n_units}",
        )
    Console(file=sys.stdout, markup=False, highlight=False).print(table)


def _reported(row: PredictionRow) -> str:
    """Say in one line what a case is reported as."""
    if row.node_path is None or row.node_confidence is None:
        return ""
    return f"{row.node_path[-1]} {row.node_confidence:.3f}" if row.node_path else "undecided"


def _check_confidence(confidence: float | None) -> None:
    from medvlp.errors import UsageError

    if confidence is not None and not 0 < confidence <= 1:
        raise UsageError(
            "MV1002", f"--confidence is {confidence:g}", expected="above 0 and at most 1"
        )


def _discover(source: Path, out: Path, slide_mpp: float | None) -> Discovery:
    from medvlp.io import check_output_folder
    from medvlp.pipelines.discover import discover_cases

    discovery = discover_cases(source, exclude=[out], slide_mpp=slide_mpp)
    for skipped in discovery.skipped:
        sys.stderr.write(f"skipped {skipped.name}: {skipped.why}\n")
    check_output_folder(out)
    return discovery


def _device(computing: Computing) -> tuple[str, str]:
    import torch

    device = computing.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    precision: str = computing.precision
    if precision == "auto":
        precision = "fp32" if device == "cpu" else "bf16"
    return device, precision


def _tiling(tiles: Tiles) -> TilingConfig:
    from medvlp.errors import UsageError
    from medvlp.slides.tiling import TilingConfig

    try:
        return TilingConfig(**asdict(tiles))
    except ValueError as error:
        raise UsageError("MV1002", str(error)) from error


def _embed_settings(tiles: Tiles, computing: Computing) -> EmbedSettings:
    from medvlp.embedding.tiles import EmbedSettings
    from medvlp.jobs.workers import WorkerLimits

    return EmbedSettings(
        tiling=_tiling(tiles),
        batch_size=computing.batch_size,
        max_failed_share=computing.max_failed_share,
        limits=WorkerLimits(
            memory_bytes=round(computing.memory_gib * 2**30), stall_s=computing.stall_s
        ),
    )


def _conclude(report: JobReport, out: Path, *, json_output: bool) -> int:
    """Print what became of the cases; the exit code says whether all are done."""
    total, failed = len(report.outcomes), len(report.failures)
    if json_output:
        failures = [
            {"case_id": item.case_id, "stage": item.stage, "code": item.code, "reason": item.reason}
            for item in report.failures
        ]
        record = {"cases": total, "failed": failed, "out": str(out), "failures": failures}
        sys.stdout.write(json.dumps(record) + "\n")
        return report.exit_code
    for item in report.failures:
        hint = f" - {item.hint}" if item.hint else ""
        sys.stderr.write(f"failed {item.case_id}: {item.code}: {item.reason}{hint}\n")
    sys.stdout.write(f"{total - failed} of {total} cases done; outputs are in {out}\n")
    return report.exit_code

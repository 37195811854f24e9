"""``medvlp zero-shot``: diagnose a folder of cases from a task's prompts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from medvlp.cli.commands.options import (
    DEFAULT_COMPUTING,
    DEFAULT_SCANS,
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

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from medvlp.config.runs import PredictionRow

__all__ = ["print_predictions", "zero_shot"]


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
    scans: Scans = DEFAULT_SCANS,
    computing: Computing = DEFAULT_COMPUTING,
    allow_scale: bool = False,
    slide_mpp: float | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Diagnose slides, CT scans and X-rays from a task's words, without any training on them.

    Args:
        source: A slide, scan or X-ray, a folder of all, or a manifest (.csv, .parquet).
        model: An image-text model: a bundle folder, hf-hub:OWNER/NAME or open_clip:ARCH/WEIGHTS.
            May be given several times; each judges the cases of its modality.
        task: A TASK.yaml with classes, prompts, scale and rule. May be given several times; each is
            judged by the models of its modality.
        out: Run folder; run the same command again to go on after a stop.
        features: Output folder of an earlier 'medvlp embed' whose features are reused.
        calibration: A file of 'medvlp calibrate' for a model and task given here: calibrated
            confidences and prediction sets. May be given several times.
        graph: A knowledge graph: each case is reported at the deepest node that is certain enough.
        confidence: Least probability of that node; 0.9 where a graph is given.
        min_tissue: Least share of a tile that is tissue.
        scans: Masks of organs, and what is accepted of scans.
        computing: Device, precision and limits.
        allow_scale: Accept a task whose scale is not the one the model was trained at; the boxes of
            scans stay those of the model.
        slide_mpp: Micrometres per pixel of slides whose metadata states none.
        json_output: Print JSON for programs.
    """
    from medvlp.config.run_tables import read_predictions
    from medvlp.config.task import load_task
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.any_bundle import load_any_bundle, model_encoder
    from medvlp.pipelines.diagnose import diagnose_cases
    from medvlp.pipelines.judge import RANDOM_WEIGHTS, DiagnoseSettings

    _check_confidence(confidence)
    tasks = [load_task(path) for path in task]
    discovery = discover_input(source, out, slide_mpp, scans.masks)
    device, precision = choose_device(computing)
    models = [load_any_bundle(name, device=device, precision=precision) for name in model]
    for loaded in models:
        if model_encoder(loaded).is_random:
            sys.stderr.write(f"{loaded.name}: {RANDOM_WEIGHTS}\n")
    if (graph is not None or confidence is not None) and not calibration:
        sys.stderr.write("no --calibration: the probabilities of nodes are not calibrated\n")
    settings = DiagnoseSettings(
        embed=embed_settings(Tiles(min_tissue=min_tissue), computing),
        scans=scan_settings(scans, computing),
        radiographs=radiograph_settings(computing),
        allow_scale=allow_scale,
        features=features,
        calibrations=tuple(calibration or ()),
        graph=graph,
        confidence=confidence,
    )
    with Progress(len(discovery.cases), "cases", label="Diagnosing") as progress:
        report = diagnose_cases(
            discovery, models, tasks, settings, out, progress=progress, lease=LeaseSettings()
        )
    if not json_output:
        print_predictions(read_predictions(out))
    return conclude(report, out, json_output=json_output)


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
        _units({row.modality for row in rows}),
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


def _units(modalities: Collection[str]) -> str:
    """Return what is counted in the last column."""
    named = {"slide": "tiles", "ct": "boxes", "radiograph": "images"}
    return named[next(iter(modalities))] if len(modalities) == 1 else "units"


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

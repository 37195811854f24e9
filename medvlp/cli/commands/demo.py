"""``medvlp demo``: phantom slides or scans, training from scratch, zero-shot, and a report."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medvlp.config.runs import PredictionRow
    from medvlp.training.demo import DemoSettings

__all__ = ["demo"]


def demo(
    *,
    out: Path = Path("medvlp-demo"),
    recipe: Literal["keep", "renalclip"] = "keep",
    seed: int = 0,
    train_slides: int = 6,
    test_slides: int = 2,
    slide_px: int = 3072,
    train_patients: int = 300,
    test_patients: int = 12,
) -> int:
    """Go the whole way on built-in synthetic cases: no data, network, account or GPU is needed.

    keep: paints phantom slides, cuts and captions tiles, builds a knowledge graph, trains an
    image-text model from scratch in both stages of KEEP's recipe, diagnoses slides that it has not
    seen, each as exactly as the evidence allows, and writes the report.

    renalclip: scans phantom patients, cuts out kidneys around their masses, trains a network on the
    attributes that reports state, aligns it with the reports, tells what kind of mass is in scans
    that it has not seen, and writes the report.

    Args:
        out: Folder of the demo; run again to go on after a stop.
        recipe: Which recipe: 'keep' on slides, or 'renalclip' on CT scans.
        seed: Seed of cases and training.
        train_slides: keep: slides of each of the four diagnoses to train on.
        test_slides: keep: slides of each diagnosis to diagnose.
        slide_px: keep: side of a slide in pixels.
        train_patients: renalclip: patients; four of five are trained on.
        test_patients: renalclip: patients to diagnose.
    """
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:5.1f} s] {text}\n")

    if recipe == "renalclip":
        from medvlp.cli.commands.scan_demo import run_scan_demo
        from medvlp.training.scan_demo import ScanDemoSettings

        sizes = ScanDemoSettings(
            seed=seed, train_patients=train_patients, test_patients=test_patients
        )
        return run_scan_demo(out, sizes, say, _peak_memory_gib)
    from medvlp.training.demo import DemoSettings

    slides = DemoSettings(
        seed=seed, train_slides=train_slides, test_slides=test_slides, slide_px=slide_px
    )
    return _run_slide_demo(out, slides, say)


def _run_slide_demo(out: Path, settings: DemoSettings, say: Callable[[str], None]) -> int:
    from medvlp.config.run_tables import read_predictions
    from medvlp.config.task import load_task
    from medvlp.embedding.tiles import EmbedSettings
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.bundle import load_bundle
    from medvlp.pipelines.diagnose import diagnose_cases
    from medvlp.pipelines.discover import discover_cases
    from medvlp.pipelines.judge import DiagnoseSettings
    from medvlp.training.demo import prepare_demo

    started = time.monotonic()
    model = prepare_demo(out, settings, say)
    say("diagnosing slides that the model has not seen")
    discovery = discover_cases(model.test_slides[0].path.parent)
    run = out / "run"
    with Progress(len(discovery.cases), "slides", label="Diagnosing") as progress:
        report = diagnose_cases(
            discovery,
            [load_bundle(model.bundle)],
            [load_task(model.task)],
            DiagnoseSettings(embed=EmbedSettings(), graph=model.graph),
            run,
            progress=progress,
            lease=LeaseSettings(),
        )
    truth = {slide.path.name: slide.diagnosis for slide in model.test_slides}
    right = _print_table(read_predictions(run), truth)
    peak_gib = _peak_memory_gib()
    sys.stdout.write(
        f"{right} of {len(truth)} unseen slides diagnosed as painted, by a model trained on "
        f"{model.num_pairs} tiles; {time.monotonic() - started:.0f} s, {peak_gib:.1f} GiB\n"
        f"report: {run / 'report.html'}\n"
    )
    return report.exit_code


def _print_table(rows: Sequence[PredictionRow], truth: dict[str, str]) -> int:
    """Print truth beside prediction; return how many agree."""
    from rich.console import Console
    from rich.table import Table

    table = Table("slide", "painted as", "diagnosed as", "score", "reported as")
    right = 0
    for row in rows:
        painted = truth[row.case_id]
        right += painted == row.prediction
        score = "" if row.confidence is None else f"{row.confidence:.2f}"
        node = row.node_path[-1] if row.node_path else ""
        outcome = row.prediction or row.status
        table.add_row(row.case_id, painted, outcome, score, node)
    Console(file=sys.stdout, markup=False, highlight=False).print(table)
    return right


def _peak_memory_gib() -> float:
    """Return the largest resident memory of this process and, apart, of its largest child."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return (own + child) * unit / 2**30

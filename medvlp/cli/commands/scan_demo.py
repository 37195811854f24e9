"""``medvlp demo --recipe renalclip``: phantom scans, both stages, zero-shot, and a report."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medvlp.config.runs import PredictionRow
    from medvlp.training.scan_demo import ScanDemoSettings

__all__ = ["run_scan_demo"]


def run_scan_demo(
    out: Path, settings: ScanDemoSettings, say: Callable[[str], None], peak_gib: Callable[[], float]
) -> int:
    """Go the whole way on scans.

    Args:
        out: Folder of the demo.
        settings: Its size.
        say: Told what is being done.
        peak_gib: Tells how much memory was used.

    Returns:
        Exit code of the run.
    """
    from medvlp.config.run_tables import read_predictions
    from medvlp.config.task import load_task
    from medvlp.jobs.progress import Progress
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.models.any_bundle import load_any_bundle
    from medvlp.pipelines.diagnose import diagnose_cases
    from medvlp.pipelines.discover import discover_cases
    from medvlp.pipelines.judge import DiagnoseSettings
    from medvlp.training.scan_demo import judge_held_out, prepare_scan_demo

    started = time.monotonic()
    model = prepare_scan_demo(out, settings, say)
    say("diagnosing scans that the model has not seen")
    discovery = discover_cases(model.scans, masks=model.masks)
    run = out / "run"
    with Progress(len(discovery.cases), "scans", label="Diagnosing") as progress:
        report = diagnose_cases(
            discovery,
            [load_any_bundle(str(model.bundle))],
            [load_task(model.task)],
            DiagnoseSettings(),
            run,
            progress=progress,
            lease=LeaseSettings(),
        )
    right = _print_table(read_predictions(run), model.truth)
    figures = judge_held_out(model)
    sys.stdout.write(
        f"{right} of {len(model.truth)} masses of unseen scans named as painted, by a model "
        f"trained on {model.num_kidneys} kidneys and their reports\n"
        f"on {figures['kidneys']:.0f} further kidneys: report found of the scan and scan of the "
        f"report, R@1 {figures['R@1']:.2f}, R@5 {figures['R@5']:.2f}, R@10 {figures['R@10']:.2f}; "
        f"malignancy, asked in words: AUROC {figures['auroc']:.2f}\n"
        f"{time.monotonic() - started:.0f} s, {peak_gib():.1f} GiB\n"
        f"report: {run / 'report.html'}\n"
    )
    return report.exit_code


def _print_table(rows: Sequence[PredictionRow], truth: dict[str, str]) -> int:
    """Print truth beside prediction; return how many agree."""
    from rich.console import Console
    from rich.table import Table

    table = Table("scan", "painted", "found", "score")
    right = 0
    for row in sorted(rows, key=lambda row: row.case_id):
        painted = truth[row.case_id]
        right += row.status == "diagnosed" and row.prediction == painted
        score = "" if row.confidence is None else f"{row.confidence:.2f}"
        table.add_row(row.case_id, painted, row.prediction or row.status, score)
    Console(file=sys.stdout, markup=False, highlight=False).print(table)
    return right

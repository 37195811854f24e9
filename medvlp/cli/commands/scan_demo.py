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

NOTHING = "none"


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
    from medvlp.training.scan_demo import prepare_scan_demo

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
    sys.stdout.write(
        f"{right} of {len(model.truth)} unseen scans rightly said to have a mass or none, by a "
        f"model trained on {model.num_kidneys} kidneys and their reports; "
        f"{time.monotonic() - started:.0f} s, {peak_gib():.1f} GiB\n"
        f"report: {run / 'report.html'}\n"
    )
    return report.exit_code


def _print_table(rows: Sequence[PredictionRow], truth: dict[str, str]) -> int:
    """Print truth beside prediction; return how many agree on whether there is a mass."""
    from rich.console import Console
    from rich.table import Table

    table = Table("scan", "patient's masses", "found", "score")
    right = 0
    for row in sorted(rows, key=lambda row: row.case_id):
        made = truth[row.case_id]
        is_found = row.status == "diagnosed" and row.prediction not in {None, "", NOTHING}
        right += row.status == "diagnosed" and is_found == (made != "normal")
        score = "" if row.confidence is None else f"{row.confidence:.2f}"
        table.add_row(row.case_id, made, row.prediction or row.status, score)
    Console(file=sys.stdout, markup=False, highlight=False).print(table)
    return right

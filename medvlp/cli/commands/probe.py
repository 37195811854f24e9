"""``medvlp probe``: small heads on features, judged on patients that were not fitted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

__all__ = ["figure_line", "probe"]

_HORIZONS = (12.0, 24.0, 36.0, 60.0)
_SHOWN = (
    *("auroc", "auroc_macro", "balanced_accuracy", "sensitivity", "specificity", "npv"),
    *("harrell", "antolini", "integrated_brier"),
)


def probe(
    features: Path,
    labels: Path,
    /,
    *,
    target: str,
    out: Path,
    group: str | None = None,
    split: str | None = None,
    by: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    folds: int = 5,
    balanced: bool = False,
    positive: str | None = None,
    head: Literal["linear", "mlp"] = "linear",
    horizons: Annotated[list[float] | None, Parameter(consume_multiple=True)] = None,
    radiomics: Path | None = None,
    draws: int = 1000,
    seed: int = 0,
    allow_selection_on_test: bool = False,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Fit a probe on features and judge it on patients that were not fitted.

    Args:
        features: OUT/features/MODEL of 'medvlp embed', or OUT where it holds one model.
        labels: CSV or Parquet with case_id, the target, and where there are such: patient_id, split
            (train, val, test), unit or side of a scan, site, scanner; months and event.
        target: Column of classes, or 'survival'.
        out: Folder for metrics.json, predictions and pictures.
        group: Column of patients, who are never torn apart; patient_id, patient or group by
            default.
        split: Column of train and test; 'split' by default where there is one, else folds.
        by: Columns to give figures apart by; site and scanner by default.
        folds: Folds where there is no split.
        balanced: Let each class weigh the same in the fit.
        positive: Positive one of two classes; the last one in order by default.
        head: Cox head for survival.
        horizons: Months at which survival is judged; 12, 24, 36 and 60 by default.
        radiomics: Table of radiomics (case_id, unit, numbers) to compare and to fuse with.
        draws: Bootstrap draws.
        seed: Seed of folds, weights and draws.
        allow_selection_on_test: Judge cases too that the encoder was chosen on; metrics.json says
            so.
        json_output: Print metrics.json instead of a summary.
    """
    from medvlp.probing.run_probe import run_probe
    from medvlp.probing.settings import ProbeSettings

    settings = ProbeSettings(
        group=group,
        split=split,
        by=None if by is None else tuple(by),
        folds=folds,
        seed=seed,
        draws=draws,
        balanced=balanced,
        positive=positive,
        head=head,
        horizons=_HORIZONS if horizons is None else tuple(horizons),
        radiomics=radiomics,
        allow_selection_on_test=allow_selection_on_test,
    )
    record = run_probe(features, labels, target, out, settings)
    sys.stdout.write(json.dumps(record, indent=2) + "\n" if json_output else _summary(record))
    if not json_output:
        sys.stdout.write(f"written to {out}\n")
    return 0


def figure_line(name: str, figure: dict[str, Any]) -> str:
    """Return a figure with its interval as one line of text."""
    if figure["value"] is None:
        return f"  {name:<20} no value: {figure.get('why', '')}\n"
    interval = (
        f" ({figure['low']:.3f} to {figure['high']:.3f})" if figure["low"] is not None else ""
    )
    return f"  {name:<20} {figure['value']:.3f}{interval}\n"


def _summary(record: dict[str, Any]) -> str:
    parts = record["parts"]
    how = "a test part" if parts[0]["name"] == "test" else f"{len(parts)} folds"
    text = (
        f"{record['target']}: {record['num_samples']} samples of {record['num_groups']} patients, "
        f"judged on {how}; {record['encoder']}\n"
    )
    for why, count in record["notes"].items():
        text += f"{count} {why}\n"
    for warning in record["selection"]["warnings"]:
        text += f"{warning}\n"
    if record["kind"] == "scan" and not record["radiomics"]:
        text += "no radiomics to compare with: give a table with --radiomics\n"
    for name, figures in record["results"].items():
        text += f"{name}\n"
        for shown in _SHOWN:
            if shown in figures:
                text += figure_line(shown, figures[shown])
        if "checks" in record:
            text += _check_lines(record["checks"][name])
    for name, figure in record["differences"].items():
        text += f"{name}\n{figure_line('difference', figure)}"
    return text


def _check_lines(checks: dict[str, Any]) -> str:
    text = ""
    for horizon, told in checks["calibration_by_horizon_months"].items():
        if "why" in told:
            text += f"  by {horizon} months        no value: {told['why']}\n"
        else:
            text += (
                f"  by {horizon} months: {told['observed']:.3f} had the event, "
                f"{told['expected']:.3f} were expected to\n"
            )
    slope, spread = checks["calibration_slope"], checks["d_calibration"]
    if "slope" in slope:
        text += (
            f"  {'calibration slope':<20} {slope['slope']:.3f} ({slope['low']:.3f} to "
            f"{slope['high']:.3f})\n"
        )
    text += f"  {'D-calibration':<20} p = {spread['p_value']:.3g}\n"
    test = checks["log_rank_of_risk_groups"]
    if "p_value" in test:
        text += f"  {'risk groups differ':<20} log-rank p = {test['p_value']:.3g}\n"
    return text

"""``medvlp evaluate``: the predictions of a run against labels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["evaluate"]


def evaluate(
    predictions: Path,
    labels: Path,
    /,
    *,
    label: str = "label",
    positive: str | None = None,
    group: str | None = None,
    by: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    model: str | None = None,
    task: str | None = None,
    draws: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    allow_selection_on_test: bool = False,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Judge the predictions of a run against labels, with intervals over patients.

    Args:
        predictions: A run folder of 'medvlp zero-shot', or its predictions.csv.
        labels: CSV or Parquet with case_id and the label column, or a column of 0 and 1 per
            finding; patient_id, site and scanner where there are such.
        label: Column of classes.
        positive: Class to judge against all others.
        group: Column of patients; patient_id, patient or group by default.
        by: Columns to give figures apart by; site and scanner by default.
        model: The one model to judge, where the run has several.
        task: The one task to judge, where the run has several.
        draws: Bootstrap draws.
        seed: Seed of the draws.
        out: JSON file for all figures.
        allow_selection_on_test: Judge cases too that a checkpoint, a threshold or a calibration of
            the run was chosen on; the output says so.
        json_output: Print JSON instead of a summary.
    """
    from medvlp.errors import UsageError
    from medvlp.io import write_json
    from medvlp.probing.evaluation import EvaluationSettings, evaluate_run

    if draws < 1:
        raise UsageError("MV1002", f"--draws is {draws}", expected="1 at least")
    settings = EvaluationSettings(
        label=label,
        positive=positive,
        group=group,
        by=None if by is None else tuple(by),
        model=model,
        task=task,
        seed=seed,
        draws=draws,
        allow_selection_on_test=allow_selection_on_test,
    )
    found: list[dict[str, Any]] = evaluate_run(predictions, labels, settings)
    if out is not None:
        write_json(out, found)
    if json_output:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("".join(map(_summary, found)))
        if out is not None:
            sys.stdout.write(f"written to {out}\n")
    return 0


def _summary(record: dict[str, Any]) -> str:
    text = f"{record['task']} with {record['model']}: {record['num_cases']} cases\n"
    for why, count in record["notes"].items():
        text += f"{count} {why}\n"
    for warning in record["selection"]["warnings"]:
        text += f"{warning}\n"
    if "findings" not in record:
        return text + _block(record)
    for name, told in record["findings"].items():
        text += f"{name}: {told['num_positive']} of {told['num_cases']}\n"
        text += _block(told) if "figures" in told else f"  {told['why']}\n"
    return text


def _block(record: dict[str, Any]) -> str:
    from medvlp.cli.commands.probe import figure_line

    text = "".join(figure_line(name, figure) for name, figure in record["figures"].items())
    for key, sites in record.items():
        if key.startswith("by_"):
            for site, told in sites.items():
                text += f"  {key.removeprefix('by_')} {site}: {told['num_samples']}\n"
                name = next(n for n in told["figures"] if n.startswith("auroc"))
                text += "  " + figure_line(name, told["figures"][name])
    return text

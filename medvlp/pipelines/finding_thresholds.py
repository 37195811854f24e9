"""Fit a threshold for each finding of a task on the labelled cases of a finished run.

Labels come as a table with the column ``case_id`` and one for each finding: 1 where it is there, 0
where not, -1 where that is uncertain, nothing where it is not known. ``group`` names the patient,
``split`` the part of the data.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from medvlp import __version__
from medvlp.config.calibrations import FindingThreshold, FindingThresholds
from medvlp.config.task import FINDING_HEADS
from medvlp.errors import DataError, UsageError
from medvlp.pipelines.case_labels import bad_labels, calibration_cases, join_labels, read_rows
from medvlp.zeroshot.finding_thresholds import fit_finding_threshold, measure_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medvlp.config.calibrations import ThresholdRule
    from medvlp.pipelines.judged_run import JudgedRun

__all__ = ["fit_finding_thresholds"]

_LABELS = {"1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1, "": None, "nan": None}
_ANY = "finding with a label"


def fit_finding_thresholds(
    run: JudgedRun, table: Path, rule: ThresholdRule, *, allow_on_test: bool = False
) -> FindingThresholds:
    """Fit the probability above which each finding is there.

    A finding that the table has no column for, or whose labels are of one class, keeps the
    threshold of the run; the file says why.

    Args:
        run: The run with the cases; its task judges findings one by one.
        table: CSV with ``case_id`` and a column for each finding.
        rule: What is to be largest.
        allow_on_test: Whether test cases may be among them.

    Raises:
        UsageError: MV1522 if the task judges no findings one by one.
        ConfigError: MV1150 for test cases.
        DataError: MV1524 if the table does not fit the run; MV1527 if no finding can be fitted.
    """
    names = run.rules.finding_names
    if run.task.head not in FINDING_HEADS:
        raise UsageError(
            "MV1522",
            f"head {run.task.head!r} of task {run.task.name} judges no findings one by one",
            expected=f"a task decided by one of {list(FINDING_HEADS)}",
            hint="--fit threshold fits the threshold of tiles; a class is chosen without one",
        )
    rows = read_rows(table, ())
    known = [name for name in names if rows and name in rows[0]]
    if not known:
        raise bad_labels(
            table,
            f"there is no column for any finding of the task, such as {names[0]!r}",
            "case_id and a column for each finding: 1, 0, -1 or nothing",
        )
    labels = {row["case_id"]: {name: _label(table, row, name) for name in known} for row in rows}
    labelled = [
        {**row, _ANY: "1" if set(labels[row["case_id"]].values()) & {0, 1} else ""} for row in rows
    ]
    told = join_labels(run, table, labelled, _ANY, allow_on_test=allow_on_test)
    cases = [run.cases[name].row for name in labels if name in run.cases]
    found = {
        name: _fit(
            [labels[row.case_id].get(name) for row in cases],
            [row.probabilities[name] for row in cases],
            rule,
            before=run.rules.finding_threshold(name),
            has_column=name in known,
        )
        for name in names
    }
    if not any(item.is_fitted for item in found.values()):
        reasons = "; ".join(f"{name}: {item.why}" for name, item in list(found.items())[:3])
        raise DataError(
            "MV1527",
            f"{table}: no threshold can be fitted ({reasons})",
            expected="a finding with cases that have it and cases that lack it",
        )
    counts = {name: item.num_positive for name, item in found.items()}
    return FindingThresholds(
        medvlp_version=__version__,
        model=run.model,
        task=run.task,
        cases=calibration_cases(run, table, told, counts),
        rule=rule,
        findings=found,
    )


def _fit(
    labels: Sequence[int | None],
    scores: Sequence[float],
    rule: ThresholdRule,
    *,
    before: float,
    has_column: bool,
) -> FindingThreshold:
    """Fit one finding; uncertain and unlabelled cases are left out and counted."""
    counted = Counter(labels)
    certain = [(label, p) for label, p in zip(labels, scores, strict=True) if label in {0, 1}]
    truth = np.asarray([label for label, _ in certain], dtype=np.int64)
    shares = np.asarray([p for _, p in certain], dtype=np.float64)
    kept = FindingThreshold(
        threshold=before,
        is_fitted=False,
        num_positive=counted[1],
        num_negative=counted[0],
        num_uncertain=counted[-1],
        num_unlabelled=counted[None],
    )
    why = "" if has_column else "the table has no column for it"
    if has_column and not (counted[0] and counted[1]):
        only = "present" if counted[1] else "absent"
        why = f"labelled {only} only" if certain else "no case has a label"
    if not why and not shares.any():
        why = "every score is 0"
    if why:
        return kept.model_copy(update={"why": why})
    fit = fit_finding_threshold(truth, shares, rule)
    found = {
        "threshold": fit.threshold,
        "is_fitted": True,
        "value": fit.value,
        "value_before": measure_threshold(truth, shares, rule, before),
    }
    return kept.model_copy(update=found)


def _label(table: Path, row: Mapping[str, str], name: str) -> int | None:
    text = row[name].strip().lower()
    if text not in _LABELS:
        raise bad_labels(
            table,
            f"case {row['case_id']!r} has {name} {row[name]!r}",
            "1, 0, -1 where it is uncertain, or nothing where it is not known",
        )
    return _LABELS[text]

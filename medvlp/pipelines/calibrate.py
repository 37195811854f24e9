"""Fit a calibration on a finished run: a temperature and prediction sets, or a tile threshold.

Labels come as a table with the columns ``case_id`` and ``label`` (or ``mask``), and ``group`` where
several cases belong to one patient. Cases of the run that the table does not name are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp import __version__
from medvlp.config.calibrations import (
    CalibrationCases,
    ConfidenceCalibration,
    PredictionSets,
    Temperature,
    TileThreshold,
)
from medvlp.errors import DataError, UsageError, nearest_name
from medvlp.io import content_sha256, read_csv
from medvlp.metrics import UndefinedMetricError
from medvlp.metrics.segmentation import tile_truth
from medvlp.pipelines.masks import read_mask
from medvlp.pipelines.tile_scores import TILE_SCORES_FILE, read_tile_scores
from medvlp.zeroshot.calibration import CALIBRATED_HEADS, case_logits, fit_temperature
from medvlp.zeroshot.conformal import conformal_quantile, label_scores, required_cases
from medvlp.zeroshot.cross_fitting import measure_confidence, measure_sets
from medvlp.zeroshot.thresholds import fit_tile_threshold
from medvlp.zeroshot.tiles import first_occurrences, softmax

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.pipelines.judged_run import JudgedCase, JudgedRun
    from medvlp.zeroshot.conformal import SetMethod

__all__ = ["LabelTable", "LabelledCase", "fit_confidence", "fit_threshold", "read_labels"]


@dataclass(frozen=True, kw_only=True)
class LabelledCase:
    """A case of the run with what is known of it.

    Attributes:
        case: The case.
        value: Its class, or the path of its mask.
        group: Its patient or other group; its own id where the table has no such column.
    """

    case: JudgedCase
    value: str
    group: str


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """What a table says of the cases of a run.

    Attributes:
        cases: The cases that it labels.
        left_out: Number of rows and cases that are not among them, by reason.
    """

    cases: tuple[LabelledCase, ...]
    left_out: dict[str, int]


def read_labels(run: JudgedRun, table: Path, column: str) -> LabelTable:
    """Read what a table says of the cases of a run.

    Args:
        run: The run.
        table: CSV with ``case_id`` and ``column``, and ``group`` if wanted.
        column: ``label`` or ``mask``; rows where it is empty are left out, and so are rows of cases
            that the run has no prediction for.

    Raises:
        DataError: MV1524 if a column is missing, a case is named twice, or no case of the run is
            named.
        MedvlpError: If the table cannot be read.
    """
    rows = read_csv(table)
    columns = set(rows[0]) if rows else set()
    for name in ("case_id", column):
        if name not in columns:
            raise _bad(
                table,
                f"there is no column {name!r}{nearest_name(name, columns)}",
                f"the columns case_id and {column}, and group if cases share patients",
            )
    counts = Counter(row["case_id"] for row in rows)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise _bad(table, f"case {twice[0]!r} is named {counts[twice[0]]} times", "each case once")
    filled = [row for row in rows if row[column].strip()]
    found = tuple(
        LabelledCase(
            case=run.cases[row["case_id"]],
            value=row[column].strip(),
            group=row.get("group", "").strip() or row["case_id"],
        )
        for row in filled
        if row["case_id"] in run.cases
    )
    if not found:
        raise _bad(
            table,
            f"none of its {len(rows)} cases has a {column} and a prediction in run {run.name}",
            f"case ids as in predictions.csv, such as {next(iter(run.cases), 'none')!r}",
        )
    left_out = {
        f"rows without a {column}": len(rows) - len(filled),
        "rows without a prediction in the run": len(filled) - len(found),
        "predictions without a row": len(run.cases) - len(found),
    }
    return LabelTable(cases=found, left_out={why: n for why, n in left_out.items() if n})


def fit_confidence(
    run: JudgedRun, table: Path, *, alpha: float, method: SetMethod
) -> ConfidenceCalibration:
    """Fit a temperature and the threshold of prediction sets on labelled cases.

    Args:
        run: The run with the cases.
        table: CSV with ``case_id`` and ``label``.
        alpha: Error rate of the sets, above 0 and below 1.
        method: How sets are made.

    Raises:
        UsageError: MV1522 if the rule of the task gives no distribution over classes.
        DataError: MV1524 if the table does not fit the run, or names what is no class.
    """
    classes = run.task.classes
    if run.task.head not in CALIBRATED_HEADS:
        raise UsageError(
            "MV1522",
            f"head {run.task.head!r} of task {run.task.name} gives no distribution over classes",
            expected=f"a task decided by one of {list(CALIBRATED_HEADS)}",
        )
    told = read_labels(run, table, "label")
    cases = told.cases
    for labelled in cases:
        if labelled.value not in classes:
            raise _unknown_class(run, table, labelled)
    labels = np.asarray([classes.index(labelled.value) for labelled in cases])
    rows = [labelled.case.row for labelled in cases]
    logits = case_logits(
        [[row.probabilities[name] for name in classes] for row in rows],
        [row.n_used for row in rows],
        head=run.task.head,
        min_ratio=run.rules.min_ratio,
    )
    groups = np.asarray([labelled.group for labelled in cases])
    return ConfidenceCalibration(
        medvlp_version=__version__,
        model=run.model,
        task=run.task,
        cases=_cases(run, table, told, dict(Counter(labelled.value for labelled in cases))),
        temperature=_temperature(logits, labels, groups),
        sets=_sets(softmax(logits), labels, groups, alpha, method),
    )


def _temperature(
    logits: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.str_]
) -> Temperature:
    fit = fit_temperature(logits, labels)
    measured = measure_confidence(logits, labels, groups, fit)
    return Temperature(
        value=fit.temperature,
        rule=fit.rule,
        accuracy=measured.accuracy,
        nll_before=fit.nll_before,
        nll_after=fit.nll_after,
        nll_left_out=measured.nll_left_out,
        ece_before=measured.ece_before,
        ece_after=measured.ece_after,
        ece_left_out=measured.ece_left_out,
    )


def _sets(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    alpha: float,
    method: SetMethod,
) -> PredictionSets:
    threshold = conformal_quantile(label_scores(probabilities, labels, method), alpha)
    measured = measure_sets(probabilities, labels, groups, alpha, method)
    return PredictionSets(
        method=method,
        alpha=alpha,
        threshold=threshold if math.isfinite(threshold) else None,
        required_cases=required_cases(alpha),
        coverage=measured.coverage,
        coverage_low=measured.coverage_low,
        coverage_high=measured.coverage_high,
        mean_size=measured.mean_size,
        share_of_full_sets=measured.share_of_full_sets,
    )


def fit_threshold(run: JudgedRun, table: Path) -> TileThreshold:
    """Fit the threshold of tiles on slides with masks, all tiles of all slides together.

    Args:
        run: The run with the slides; its task has a positive class.
        table: CSV with ``case_id`` and ``mask``: an image of the whole slide at any resolution, not
            zero where the positive class is; relative paths start at the table.

    Raises:
        UsageError: MV1522 if the task looks for no positive class.
        DataError: MV1524 if the table or a mask does not fit, or the masks part no tiles.
    """
    positive = run.rules.positive
    if positive is None:
        raise UsageError(
            "MV1522",
            f"task {run.task.name} has no positive class to find a threshold for",
            expected="a task with head segmentation or detection-ratio",
            hint="name the class under 'positive' in the task",
        )
    told = read_labels(run, table, "mask")
    truth, probabilities = [], []
    for labelled in told.cases:
        scores = read_tile_scores(labelled.case.folder / TILE_SCORES_FILE)
        mask, px0_per_px = read_mask(table.parent / labelled.value, scores.size_px0)
        rows = first_occurrences(scores.coords_px0)
        column = scores.class_names.index(positive)
        coords = scores.coords_px0[rows]
        truth.append(tile_truth(mask, coords, scores.cell_px0, px0_per_px=px0_per_px))
        probabilities.append(scores.probabilities[rows, column])
    covered = np.concatenate(truth)
    try:
        fit = fit_tile_threshold(covered, np.concatenate(probabilities))
    except (UndefinedMetricError, ValueError) as error:
        raise _bad(
            table,
            f"{int(covered.sum())} of {len(covered)} tiles are covered by masks, and no threshold "
            f"parts them from the others ({error})",
            "slides with and without covered tiles, and a model that tells them apart",
        ) from error
    counts = {positive: int(covered.sum()), "other tiles": int((~covered).sum())}
    return TileThreshold(
        medvlp_version=__version__,
        model=run.model,
        task=run.task,
        cases=_cases(run, table, told, counts),
        positive=positive,
        threshold=fit.threshold,
        youden_index=fit.youden_index,
        auroc=fit.auroc,
    )


def _cases(
    run: JudgedRun, table: Path, told: LabelTable, counts: dict[str, int]
) -> CalibrationCases:
    cases = told.cases
    return CalibrationCases(
        run=run.name,
        labels_sha256=content_sha256(table),
        number=len(cases),
        num_groups=len({labelled.group for labelled in cases}),
        class_counts=counts,
        left_out=told.left_out,
        content_sha256=tuple(sorted(labelled.case.content_sha256 for labelled in cases)),
    )


def _bad(table: Path, what: str, expected: str, hint: str = "") -> DataError:
    return DataError("MV1524", f"{table}: {what}", expected=expected, hint=hint)


def _unknown_class(run: JudgedRun, table: Path, labelled: LabelledCase) -> DataError:
    classes = run.task.classes
    hint = ""
    if labelled.value in run.rules.class_names:
        hint = (
            f"head {run.task.head!r} never answers {labelled.value!r}; leave these cases out, or "
            "decide by head 'mean' or 'top-j'"
        )
    near = nearest_name(labelled.value, classes)
    return _bad(
        table,
        f"case {labelled.case.row.case_id!r} has the label {labelled.value!r}{near}",
        f"one of {list(classes)}",
        hint,
    )

"""Fit a calibration on a finished run: a temperature and prediction sets, or a tile threshold.

Labels come as a table with the columns ``case_id`` and ``label`` (or ``mask``), and ``group`` where
several cases belong to one patient. Cases of the run that the table does not name are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp import __version__
from medvlp.config.calibrations import (
    ConfidenceCalibration,
    PredictionSets,
    ReportedNodes,
    Temperature,
    TileThreshold,
)
from medvlp.errors import UsageError
from medvlp.metrics import UndefinedMetricError
from medvlp.metrics.segmentation import tile_truth
from medvlp.pipelines.case_labels import (
    LabelTable,
    bad_labels,
    calibration_cases,
    check_classes,
    read_labels,
)
from medvlp.pipelines.confidence import make_node_rule
from medvlp.pipelines.masks import read_mask
from medvlp.pipelines.tile_scores import TILE_SCORES_FILE, read_tile_scores
from medvlp.zeroshot.calibration import CALIBRATED_HEADS, case_logits, fit_temperature
from medvlp.zeroshot.conformal import conformal_quantile, label_scores, required_cases
from medvlp.zeroshot.cross_fitting import measure_confidence, measure_nodes, measure_sets
from medvlp.zeroshot.thresholds import fit_tile_threshold
from medvlp.zeroshot.tiles import first_occurrences, softmax

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.pipelines.judged_run import JudgedRun
    from medvlp.zeroshot.conformal import SetMethod

__all__ = ["fit_confidence", "fit_threshold"]


@dataclass(frozen=True)
class _Scores:
    """Logits, labels and groups of the labelled cases; shapes ``(n, C)``, ``(n,)``, ``(n,)``."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]


def fit_confidence(
    run: JudgedRun,
    table: Path,
    *,
    alpha: float,
    method: SetMethod,
    graph: KnowledgeGraph | None = None,
    confidence: float | None = None,
    allow_on_test: bool = False,
) -> ConfidenceCalibration:
    """Fit a temperature and the threshold of prediction sets on labelled cases.

    Args:
        run: The run with the cases.
        table: CSV with ``case_id`` and ``label``.
        alpha: Error rate of the sets, above 0 and below 1.
        method: How sets are made.
        graph: Graph whose nodes cases would be reported at; measured only, nothing is fitted to it.
        confidence: Least probability of a node; 0.9 where a graph is given. Without a graph the
            nodes are the classes.
        allow_on_test: Whether test cases may be among them.

    Raises:
        UsageError: MV1522 if the rule of the task gives no distribution over classes.
        ConfigError: MV1525 or MV1526 if the graph does not fit the task; MV1150 for test cases.
        DataError: MV1524 if the table does not fit the run, names what is no class, or labels cases
            of one group only, of which none can be left out to measure with.
    """
    if run.task.head not in CALIBRATED_HEADS:
        raise UsageError(
            "MV1522",
            f"head {run.task.head!r} of task {run.task.name} gives no distribution over classes",
            expected=f"a task decided by one of {list(CALIBRATED_HEADS)}",
        )
    told = read_labels(run, table, "label", allow_on_test=allow_on_test)
    check_classes(run, table, told)
    groups = {labelled.group for labelled in told.cases}
    if len(groups) == 1:
        raise bad_labels(
            table,
            f"its {len(told.cases)} cases are all of group {groups.pop()!r}, so that none can be "
            "left out to measure the calibration with",
            "cases of two patients at least; copies of a case count once",
        )
    scores = _scores(run, told)
    return ConfidenceCalibration(
        medvlp_version=__version__,
        model=run.model,
        task=run.task,
        cases=calibration_cases(run, table, told, dict(Counter(case.value for case in told.cases))),
        temperature=_temperature(scores),
        sets=_sets(scores, alpha, method),
        nodes=_nodes(run, scores, graph, confidence),
    )


def _scores(run: JudgedRun, told: LabelTable) -> _Scores:
    classes, cases = run.task.classes, told.cases
    rows = [labelled.case.row for labelled in cases]
    logits = case_logits(
        [[row.probabilities[name] for name in classes] for row in rows],
        [row.n_used for row in rows],
        head=run.task.head,
        min_ratio=run.rules.min_ratio,
    )
    return _Scores(
        logits=logits,
        labels=np.asarray([classes.index(labelled.value) for labelled in cases]),
        groups=np.asarray([labelled.group for labelled in cases]),
    )


def _temperature(scores: _Scores) -> Temperature:
    fit = fit_temperature(scores.logits, scores.labels)
    measured = measure_confidence(scores.logits, scores.labels, scores.groups, fit)
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


def _sets(scores: _Scores, alpha: float, method: SetMethod) -> PredictionSets:
    probabilities = softmax(scores.logits)
    fitted = label_scores(probabilities, scores.labels, method)
    threshold = conformal_quantile(fitted, alpha)
    measured = measure_sets(probabilities, scores.labels, scores.groups, alpha, method)
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


def _nodes(
    run: JudgedRun, scores: _Scores, graph: KnowledgeGraph | None, confidence: float | None
) -> ReportedNodes | None:
    rule = make_node_rule(run.rules, graph, confidence)
    if rule is None:
        return None
    measured = measure_nodes(
        scores.logits, scores.labels, scores.groups, rule.hierarchy, rule.confidence
    )
    return ReportedNodes(
        graph_sha256=graph.content_sha256 if graph is not None else "",
        confidence=rule.confidence,
        **asdict(measured),
    )


def fit_threshold(run: JudgedRun, table: Path, *, allow_on_test: bool = False) -> TileThreshold:
    """Fit the threshold of tiles on slides with masks, all tiles of all slides together.

    Args:
        run: The run with the slides; its task has a positive class.
        table: CSV with ``case_id`` and ``mask``: an image of the whole slide at any resolution, not
            zero where the positive class is; relative paths start at the table.
        allow_on_test: Whether test cases may be among them.

    Raises:
        ConfigError: MV1150 for test cases.
        UsageError: MV1522 if the task is not for slides, or looks for no positive class.
        DataError: MV1524 if the table or a mask does not fit, or the masks part no tiles.
    """
    if run.rules.modality != "slide":
        raise UsageError(
            "MV1522",
            f"task {run.task.name} is for {run.rules.modality}, and thresholds are fitted on tiles",
            expected="a task for slides",
        )
    positive = run.rules.positive
    if positive is None:
        raise UsageError(
            "MV1522",
            f"task {run.task.name} has no positive class to find a threshold for",
            expected="a task with head segmentation or detection-ratio",
            hint="name the class under 'positive' in the task",
        )
    told = read_labels(run, table, "mask", allow_on_test=allow_on_test)
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
        raise bad_labels(
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
        cases=calibration_cases(run, table, told, counts),
        positive=positive,
        threshold=fit.threshold,
        youden_index=fit.youden_index,
        auroc=fit.auroc,
    )

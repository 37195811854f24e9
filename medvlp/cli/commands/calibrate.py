"""``medvlp calibrate``: what scores are worth, measured on labelled cases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from medvlp.config.calibrations import (
        ConfidenceCalibration,
        FindingThresholds,
        TileThreshold,
    )

__all__ = ["calibrate"]

_ALPHA = 0.1


def calibrate(
    run: Path,
    labels: Path,
    /,
    *,
    out: Path,
    fit: Literal["confidence", "threshold"] = "confidence",
    thresholds: Literal["max-f1", "youden", "mcc"] | None = None,
    alpha: float | None = None,
    method: Literal["lac", "aps"] | None = None,
    graph: Path | None = None,
    confidence: float | None = None,
    model: str | None = None,
    task: str | None = None,
    allow_selection_on_test: bool = False,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Fit confidences, or thresholds of tiles or of findings, on the labelled cases of a run.

    Args:
        run: A finished run folder of 'medvlp zero-shot', without --calibration.
        labels: CSV with case_id and label, with case_id and mask, or with case_id and a column of
            1, 0, -1 (uncertain) or nothing for each finding; group where cases share patients,
            split where some are test cases.
        out: JSON file for 'zero-shot --calibration', or for 'threshold: {from: FILE}' in a task.
        fit: A temperature with prediction sets, or the probability above which a tile is positive.
        thresholds: One threshold for each finding of a task that judges them one by one: where F1,
            sensitivity + specificity - 1 or Matthews' correlation is largest.
        alpha: Error rate of the prediction sets, 0.1 by default.
        method: lac (the default) gives the smallest sets, aps sets that grow where the model
            hesitates.
        graph: A knowledge graph: measure how often cases are reported at a right node.
        confidence: Least probability of that node, 0.9 by default.
        model: Name of the model, where the run has several.
        task: Name of the task, where the run has several.
        allow_selection_on_test: Fit on rows of the split 'test' too; every output says so.
        json_output: Print the file instead of a summary.
    """
    from medvlp.errors import UsageError
    from medvlp.io import write_json
    from medvlp.knowledge.store import read_graph
    from medvlp.pipelines.calibrate import fit_confidence, fit_threshold
    from medvlp.pipelines.finding_thresholds import fit_finding_thresholds
    from medvlp.pipelines.judged_run import read_judged_run

    given = {"alpha": alpha, "method": method, "graph": graph, "confidence": confidence}
    unused = [f"--{name}" for name, value in given.items() if value is not None]
    if thresholds is not None and fit == "threshold":
        unused.append("--fit threshold")
    if unused and (fit == "threshold" or thresholds is not None):
        what = "--fit threshold" if thresholds is None else "--thresholds"
        raise UsageError(
            "MV1002", f"{', '.join(unused)} has no effect with {what}", hint="leave it out"
        )
    if alpha is not None and not 0 < alpha < 1:
        raise UsageError("MV1002", f"--alpha is {alpha:g}", expected="above 0 and below 1")
    if confidence is not None and not 0 < confidence <= 1:
        raise UsageError(
            "MV1002", f"--confidence is {confidence:g}", expected="above 0 and at most 1"
        )
    judged = read_judged_run(run, model=model, task=task)
    found: ConfidenceCalibration | TileThreshold | FindingThresholds
    allowed = allow_selection_on_test
    if thresholds is not None:
        found = fit_finding_thresholds(judged, labels, thresholds, allow_on_test=allowed)
    elif fit == "threshold":
        found = fit_threshold(judged, labels, allow_on_test=allowed)
    else:
        found = fit_confidence(
            judged,
            labels,
            alpha=_ALPHA if alpha is None else alpha,
            method=method or "lac",
            graph=None if graph is None else read_graph(graph),
            confidence=confidence,
            allow_on_test=allowed,
        )
    write_json(out, found.model_dump(mode="json"))
    sys.stdout.write(found.model_dump_json(indent=2) + "\n" if json_output else _summary(found))
    if not json_output:
        sys.stdout.write(f"written to {out}\n")
    return 0


def _summary(found: ConfidenceCalibration | TileThreshold | FindingThresholds) -> str:
    cases = found.cases
    head = (
        f"{found.task.name} with {found.model.name}: {cases.number} cases of {cases.num_groups} "
        "groups\n"
    ) + "".join(f"left out: {count} {why}\n" for why, count in cases.left_out.items())
    if cases.on_test:
        head += f"fitted on the test set, as was allowed (split {cases.split})\n"
    if found.kind == "finding-thresholds":
        return head + _finding_lines(found)
    if found.kind == "tile-threshold":
        return head + (
            f"threshold {found.threshold:.4f} for {found.positive}: sensitivity + specificity - 1 "
            f"is {found.youden_index:.3f}, AUROC {found.auroc:.3f} over the tiles of this set\n"
        )
    return head + _temperature_lines(found) + _set_lines(found) + _node_lines(found)


def _finding_lines(found: FindingThresholds) -> str:
    text = ""
    for name, told in found.findings.items():
        counts = f"{told.num_positive} present, {told.num_negative} absent"
        left = (("uncertain", told.num_uncertain), ("without a label", told.num_unlabelled))
        counts += "".join(f", {count} {why}" for why, count in left if count)
        if told.value is None or told.value_before is None:
            text += f"{name}: stays at {told.threshold:.4g}, {told.why} ({counts})\n"
        else:
            text += (
                f"{name}: {told.threshold:.4g}, {found.rule} {told.value:.3f} on these cases, "
                f"{told.value_before:.3f} before ({counts})\n"
            )
    return text


_RULES = {
    "likelihood": "",
    "all-right": " (every case is right; fitted as if one more were right and one wrong)",
    "no-information": " (the scores say nothing about the labels)",
}


def _temperature_lines(found: ConfidenceCalibration) -> str:
    fit = found.temperature
    return (
        f"temperature {fit.value:.4g}{_RULES[fit.rule]}; accuracy {fit.accuracy:.3f}\n"
        f"calibration error {fit.ece_before:.3f} before, {fit.ece_after:.3f} after, "
        f"{fit.ece_left_out:.3f} on left-out folds\n"
    )


def _set_lines(found: ConfidenceCalibration) -> str:
    sets = found.sets
    if sets.threshold is None:
        return (
            f"prediction sets at alpha {sets.alpha:g} need {sets.required_cases} cases and there "
            f"are {found.cases.number}: every set will hold all classes\n"
        )
    wanted = 1 - sets.alpha
    return (
        f"prediction sets ({sets.method}) hold the true class in {sets.coverage:.3f} of left-out "
        f"cases ({sets.coverage_low:.3f} to {sets.coverage_high:.3f}), wanted {wanted:g}; "
        f"{sets.mean_size:.2f} classes on average\n"
    )


def _node_lines(found: ConfidenceCalibration) -> str:
    nodes = found.nodes
    if nodes is None:
        return ""
    return (
        f"nodes at confidence {nodes.confidence:g} hold the true class in {nodes.right:.3f} of "
        f"left-out cases ({nodes.right_low:.3f} to {nodes.right_high:.3f}); "
        f"{nodes.share_at_class:.2f} are at a class, {nodes.share_at_root:.2f} at the root\n"
    )

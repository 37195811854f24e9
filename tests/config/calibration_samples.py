"""Calibrations that tests start from."""

from typing import Any

from medvlp.config.calibrations import ConfidenceCalibration, FindingThresholds, TileThreshold
from medvlp.config.strict import parse_model

MODEL = {"name": "tiny", "weights_sha256": "ab" * 32}
CASES = {
    "run": "run",
    "labels_sha256": "12" * 32,
    "number": 20,
    "num_groups": 10,
    "class_counts": {"A": 12, "B": 8},
    "left_out": {},
    "content_sha256": ["34" * 32, "56" * 32],
}


def task(**changes: Any) -> dict[str, Any]:
    return {
        "name": "rcc",
        "settings_sha256": "cd" * 32,
        "classifier_sha256": "ef" * 32,
        "head": "mean",
        "classes": ["A", "B"],
    } | changes


def tile_threshold(**changes: Any) -> TileThreshold:
    document = {
        "kind": "tile-threshold",
        "medvlp_version": "0",
        "model": MODEL,
        "task": task(head="segmentation"),
        "cases": CASES,
        "positive": "A",
        "threshold": 0.25,
        "youden_index": 0.75,
        "auroc": 0.875,
    }
    return parse_model(document | changes, TileThreshold, source="test")


def finding_thresholds(**changes: Any) -> FindingThresholds:
    counts = {"num_positive": 4, "num_negative": 9, "num_uncertain": 1, "num_unlabelled": 2}
    document = {
        "kind": "finding-thresholds",
        "medvlp_version": "0",
        "model": MODEL,
        "task": task(head="present-absent", classes=["A", "B"]),
        "cases": CASES,
        "rule": "youden",
        "findings": {
            "A": {"threshold": 0.25, "is_fitted": True, "value": 0.5, "value_before": 0.25}
            | counts,
            "B": {"threshold": 0.5, "is_fitted": False, "why": "one class"} | counts,
        },
    }
    return parse_model(document | changes, FindingThresholds, source="test")


def confidence_calibration(**changes: Any) -> ConfidenceCalibration:
    document = {
        "kind": "confidence",
        "medvlp_version": "0",
        "model": MODEL,
        "task": task(),
        "cases": CASES,
        "temperature": {
            "value": 0.5,
            "rule": "likelihood",
            "accuracy": 0.9,
            "nll_before": 0.6,
            "nll_after": 0.4,
            "nll_left_out": 0.45,
            "ece_before": 0.3,
            "ece_after": 0.05,
            "ece_left_out": 0.08,
        },
        "sets": {
            "method": "lac",
            "alpha": 0.1,
            "threshold": 0.6,
            "required_cases": 9,
            "coverage": 0.93,
            "coverage_low": 0.7,
            "coverage_high": 0.99,
            "mean_size": 1.25,
            "share_of_full_sets": 0.1,
        },
    }
    return parse_model(document | changes, ConfidenceCalibration, source="test")

"""A calibration file as a record of a choice: what was fitted on which cases, by what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.config.selection import Chosen, SelectionRecord

if TYPE_CHECKING:
    from medvlp.config.calibrations import (
        ConfidenceCalibration,
        FindingThresholds,
        TileThreshold,
    )

__all__ = ["calibration_selection"]


def calibration_selection(
    found: ConfidenceCalibration | TileThreshold | FindingThresholds,
) -> SelectionRecord:
    """Return the record of the choice that a calibration file is.

    Args:
        found: The content of the file.
    """
    chosen: Chosen = "threshold"
    value: float | None = None
    if found.kind == "confidence":
        chosen, metric, value = "temperature", "nll", found.temperature.nll_after
        rule = "smallest, with the threshold of prediction sets"
    elif found.kind == "tile-threshold":
        metric, value, rule = "youden", found.youden_index, "largest over all tiles"
    else:
        metric, rule = found.rule, "largest for each finding"
    cases = found.cases
    return SelectionRecord(
        chosen=chosen,
        rule=rule,
        metric=metric,
        mode="min" if found.kind == "confidence" else "max",
        value=value,
        split=cases.split or f"run {cases.run}",
        data_sha256=cases.labels_sha256,
        number=cases.number,
        num_groups=cases.num_groups,
        content_sha256=cases.content_sha256,
        on_test=cases.on_test,
    )

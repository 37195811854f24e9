"""What was chosen for the models and tasks of a run: checkpoints, thresholds, calibrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.config.calibration_selection import calibration_selection
from medvlp.config.run_selections import RunSelection, run_selection
from medvlp.config.task import FittedThreshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.pipelines.judge import CaseJudge

__all__ = ["MODEL_SOURCE", "run_selections"]

MODEL_SOURCE = "the model"
"""Where a choice is from that stands in the description of a model."""


def run_selections(judges: Sequence[CaseJudge]) -> tuple[RunSelection, ...]:
    """Return the choices behind the answers of judges, each once.

    Args:
        judges: Models with tasks.
    """
    found: list[RunSelection] = []
    for judge in judges:
        model, task = judge.model.record.name, judge.task.name
        own = judge.model.choice
        if own is not None:
            found.append(run_selection(own, model=model, task="", source=MODEL_SOURCE))
        threshold = judge.task.threshold
        if isinstance(threshold, FittedThreshold):
            record = calibration_selection(threshold.fitted)
            name = threshold.file.name
            found.append(run_selection(record, model=model, task=task, source=name))
        if judge.calibration is not None:
            record = calibration_selection(judge.calibration.content)
            name = judge.calibration.name
            found.append(run_selection(record, model=model, task=task, source=name))
    return tuple(dict.fromkeys(found))

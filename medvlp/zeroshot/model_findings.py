"""Judge an image by the answers of a model that was made to look for findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import ModelError
from medvlp.zeroshot.findings import FINDING_SEPARATOR, NO_FINDING, Finding
from medvlp.zeroshot.units import CaseVerdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from medvlp.config.task import Task

__all__ = ["IMAGE_UNIT", "judge_findings"]

IMAGE_UNIT = "image"
"""Name of the one unit of a radiograph."""


def judge_findings(probabilities: ArrayLike, task: Task) -> CaseVerdict:
    """Say yes or no to each finding of a task, by its own threshold.

    Args:
        probabilities: The model's answers in the order of ``task.finding_names``, shape ``(C,)``,
            0 to 1. They are no calibrated probabilities of disease and do not sum to 1.
        task: A task with head ``findings``.

    Raises:
        ModelError: MV1417 if an answer is NaN, infinite, or not within 0 to 1.
        ValueError: If the number of answers is not that of the findings, or the task has another
            head.
    """
    names = task.finding_names
    if task.heads != ("findings",):
        raise ValueError(f"task {task.name} has heads {task.heads}, not 'findings'")
    answers = np.asarray(probabilities, dtype=np.float64)
    if answers.shape != (len(names),):
        raise ValueError(f"{answers.shape} answers for {len(names)} findings")
    if not ((answers >= 0) & (answers <= 1)).all():
        bad = names[int(np.argmin((answers >= 0) & (answers <= 1)))]
        raise ModelError(
            "MV1417",
            f"the model's answer to {bad!r} is {answers[names.index(bad)]:g}",
            expected="a number within 0 to 1",
            hint="run with --precision fp32, or check the weights",
        )
    found = tuple(
        name for name, p in zip(names, answers, strict=True) if p > task.finding_threshold(name)
    )
    thresholds = {task.finding_threshold(name) for name in names}
    above = f"{thresholds.pop():g}" if len(thresholds) == 1 else "its threshold"
    said = Finding(
        prediction=FINDING_SEPARATOR.join(found) or NO_FINDING,
        probabilities=dict(zip(names, answers.tolist(), strict=True)),
        scores={},
        rule=f"each finding by itself, there if the model's answer is above {above}",
        found=found,
    )
    return CaseVerdict(
        prediction=said.prediction,
        findings=found,
        confidence=said.confidence,
        probabilities=said.probabilities,
        scores=said.scores,
        unit_probabilities=answers[None].astype(np.float32),
        unit_names=(IMAGE_UNIT,),
        class_names=names,
        strongest_units=dict.fromkeys(names, IMAGE_UNIT),
        rule=f"findings: {said.rule}",
        n_used=1,
    )

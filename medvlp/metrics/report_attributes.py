"""How well a generated report states what the true report states: precision, recall and F1.

Overlap of words rewards a report of the right style with the wrong finding; this does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AttributeScores", "score_attributes"]


@dataclass(frozen=True)
class AttributeScores:
    """How statements of generated reports agree with those of the references.

    Attributes:
        precision: Share of generated statements that the reference makes too; 0 where none is made.
        recall: Share of the references' statements that the generated report makes too.
        f1: Harmonic mean of both.
        macro_f1: Mean over attributes that a reference states of their own F1.
        by_attribute: Attribute -> F1, of those that a reference states.
        stated: Number of statements of the references.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    by_attribute: dict[str, float]
    stated: int


def score_attributes(
    generated: Sequence[Mapping[str, int]],
    references: Sequence[Mapping[str, int]],
    *,
    negatives: Mapping[str, int] | None = None,
) -> AttributeScores:
    """Compare what pairs of reports state, one statement for each attribute with a class.

    A statement is right where the reference states the same class of the same attribute. With
    ``negatives``, their classes (such as ``absent``) are no statements, so that the many findings
    that every report denies count nowhere.

    Args:
        generated: For each report the class of each attribute, -1 not stated.
        references: The same of the reports that they should say.
        negatives: Attribute -> class that is no statement.

    Raises:
        ValueError: If there is not one reference for each report.
        UndefinedMetricError: If no reference states anything.

    Source:
        Irvin et al. 2019, arXiv:1901.07031, and Liu et al. 2019, arXiv:1904.02633 (clinical
        efficacy), with the attributes of a schema for the labels of chest X-rays.
    """
    denied = dict(negatives or {})
    made: dict[str, list[int]] = {}
    for ours, truth in zip(generated, references, strict=True):
        for name in {**truth, **ours}:
            counts = made.setdefault(name, [0, 0, 0])
            answers = [_statement(each.get(name, -1), denied.get(name)) for each in (ours, truth)]
            counts[0] += answers[0] is not None
            counts[1] += answers[1] is not None
            counts[2] += answers[0] is not None and answers[0] == answers[1]
    said, stated, right = (sum(counts[place] for counts in made.values()) for place in range(3))
    if not stated:
        msg = "F1 of attributes needs a reference that states one"
        raise UndefinedMetricError(msg)
    each = {name: _f1(*counts) for name, counts in made.items() if counts[1]}
    return AttributeScores(
        precision=right / said if said else 0.0,
        recall=right / stated,
        f1=_f1(said, stated, right),
        macro_f1=sum(each.values()) / len(each),
        by_attribute=each,
        stated=stated,
    )


def _statement(answer: int, denied: int | None) -> int | None:
    return None if answer < 0 or answer == denied else answer


def _f1(said: int, stated: int, right: int) -> float:
    return 2 * right / (said + stated)

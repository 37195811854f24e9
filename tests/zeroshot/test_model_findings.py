"""Answers of a model for findings become a verdict: thresholds, words, and refusals."""

import numpy as np
import pytest

from medvlp.config.task import Task, parse_task
from medvlp.errors import ModelError
from medvlp.zeroshot.model_findings import judge_findings
from tests.config.task_documents import ct_task, finding_task

THREE = {"effusion": {}, "nodule": {"threshold": 0.8}, "fracture": {}}


def task(**changes: object) -> Task:
    return parse_task(finding_task(classes=THREE, **changes), source="t.yaml")


def test_judge_findings__takes_each_finding_by_its_own_threshold() -> None:
    verdict = judge_findings([0.6, 0.7, 0.9], task())
    assert verdict.findings == ("effusion", "fracture")
    assert verdict.prediction == "effusion; fracture"
    assert verdict.probabilities == {"effusion": 0.6, "nodule": 0.7, "fracture": 0.9}
    assert verdict.rule.endswith("above its threshold")
    assert verdict.confidence == pytest.approx(0.3)  # the least sure answer: no nodule at 0.7


def test_judge_findings__needs_more_than_the_threshold() -> None:
    verdict = judge_findings([0.5, 0.8, 0.2], task())
    assert (verdict.findings, verdict.prediction) == ((), "none")


def test_judge_findings__says_the_one_threshold_of_the_task() -> None:
    told = parse_task(finding_task(threshold=0.3), source="t.yaml")
    assert judge_findings([0.31, 0.1], told).findings == ("effusion",)
    assert judge_findings([0.31, 0.1], told).rule.endswith("above 0.3")


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
def test_judge_findings__refuses_what_is_no_probability(value: float) -> None:
    with pytest.raises(ModelError, match="answer to 'nodule'") as caught:
        judge_findings([0.5, value, 0.5], task())
    assert caught.value.code == "MV1417"


def test_judge_findings__refuses_another_number_of_answers_or_another_head() -> None:
    with pytest.raises(ValueError, match="3 findings"):
        judge_findings([0.5, 0.5], task())
    with pytest.raises(ValueError, match="not 'findings'"):
        judge_findings([0.5], parse_task(ct_task(), source="t.yaml"))

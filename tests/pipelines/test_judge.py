"""What every judge does alike: the row, its notes, and cases that a threshold was fitted on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from medvlp.config.runs import ModelRecord
from medvlp.config.task import Task, parse_task
from medvlp.pipelines.case_folder import CaseFinding
from medvlp.pipelines.judge import RANDOM_WEIGHTS, CaseJudge, Certainty, JudgingModel, PromptJudge
from medvlp.types import Case
from tests.pipelines.run_samples import graph

CASE = Case(case_id="a", case_key="a", path=Path("a.nii"), modality="ct")


@dataclass
class Said:
    """A verdict of a task."""

    prediction: str = "cyst"
    confidence: float = 0.75
    probabilities: dict[str, float] = field(default_factory=lambda: {"cyst": 0.75, "none": 0.25})
    scores: dict[str, float] = field(default_factory=lambda: {"mean_cyst": 0.1})
    rule: str = "mean: highest mean of all boxes"
    n_used: int = 2


class PlainJudge(PromptJudge):
    """A judge whose cases are never opened."""

    def content_sha256(self, case: Case) -> str:
        return "c" * 64

    def judge(self, case: Case, folder: str, note_stage: Callable[[str], None]) -> CaseFinding:
        raise NotImplementedError

    def deciding_settings(self) -> dict[str, object]:
        return {"spacing": 5}

    def other_settings(self) -> dict[str, object]:
        return {"batch": 2}


def _task(**changes: object) -> Task:
    document = {
        "name": "masses",
        "modality": "ct",
        "scale": {"spacing_mm": [5, 1, 1], "window_hu": [-200, 300]},
        "head": "mean",
        "classes": {
            "cyst": {"names": ["a cyst"], "concept": "K:2"},
            "none": {"names": ["a normal kidney"], "concept": "K:3"},
        },
        "templates": ["{}."],
    }
    return parse_task(document | changes, source="test")


def _judge(
    *, is_random: bool = False, certainty: Certainty | None = None, **task: object
) -> CaseJudge:
    def embed(texts: list[str]) -> np.ndarray:
        rows = np.random.default_rng(0).normal(size=(len(texts), 6))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    model = JudgingModel(
        record=ModelRecord(name="tiny", modality="ct", weights_sha256="a" * 64, logit_scale=10.0),
        precision="fp32",
        is_random=is_random,
    )
    return PlainJudge(model, _task(**task), embed, certainty)


def _report(judge: CaseJudge, verdict: Said | None):
    return judge.report(CASE, verdict, n_units=2, n_failed=0, content_sha256="c" * 64)


def test_report__takes_the_verdict_into_the_row() -> None:
    row, notes = _report(_judge(), Said())
    assert (row.prediction, row.confidence, row.node) == ("cyst", 0.75, "K:2")
    assert (row.model, row.task, row.modality, row.status) == ("tiny", "masses", "ct", "diagnosed")
    assert (row.n_units, row.n_used) == (2, 2)
    assert notes == ("mean: highest mean of all boxes",)


def test_report__says_that_there_was_nothing_to_judge() -> None:
    row, notes = _report(_judge(is_random=True), None)
    assert (row.status, row.prediction, row.n_used) == ("no-tissue", None, 0)
    assert notes == (RANDOM_WEIGHTS,)


def test_report__reports_a_class_at_its_node() -> None:
    row, _ = _report(_judge(certainty=Certainty(graph=graph(), confidence=0.9)), Said())
    assert row.node_path is not None
    assert row.node_path[-1] == "RCC"


def test_report__reports_no_node_where_findings_can_be_there_at_once() -> None:
    judge = _judge(
        head="present-absent",
        certainty=Certainty(graph=graph(), confidence=0.9),
        classes={
            "cyst": {"names": ["a cyst"], "absent_names": ["no cyst"], "concept": "K:2"},
            "stone": {"names": ["a stone"], "absent_names": ["no stone"], "concept": "K:3"},
        },
    )
    said = Said(prediction="cyst; stone", probabilities={"cyst": 0.9, "stone": 0.75})
    row, notes = judge.report(
        CASE, said, n_units=2, n_failed=0, content_sha256="c" * 64, findings=("cyst", "stone")
    )
    assert row.findings == ("cyst", "stone")
    assert (row.prediction, row.node, row.node_path) == ("cyst; stone", None, None)
    assert "none is reported at a node" in notes[-1]


def test_parameters__hold_what_decides_and_configuration_the_rest() -> None:
    judge = _judge()
    assert judge.parameters()["spacing"] == 5
    assert "batch" not in judge.parameters()
    told = judge.configuration()
    assert (told["model"], told["task"], told["modality"]) == ("tiny", "masses", "ct")
    assert (told["spacing"], told["batch"]) == (5, 2)


@pytest.mark.parametrize("changes", [{"logit_scale": 3.0}, {"templates": ["a {}."]}])
def test_parameters__change_with_the_task(changes: dict[str, object]) -> None:
    assert _judge(**changes).parameters() != _judge().parameters()

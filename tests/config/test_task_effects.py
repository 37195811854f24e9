"""Settings of a task that would have no effect, with the path each message names."""

from typing import Any

import pytest

from medvlp.config.task import parse_task
from medvlp.errors import ConfigError
from tests.config.task_documents import ct_task, finding_task, slide_task

TWO = {"mass": {"names": ["a mass"]}, "none": {"names": ["no mass"]}}
THREE = slide_task()["classes"]
PAIRED = ct_task()["classes"] | {"Normal": {"names": ["normal kidney"]}}


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        (slide_task(threshold=0.7), "threshold: no head of this task"),
        (slide_task(threshold={"from": "t.json"}), "threshold: no head of this task"),
        (slide_task(head="mean", undecided="first-class"), "undecided: no head"),
        (slide_task(min_ratio=0.7), "min_ratio: no head of this task"),
        (slide_task(aggregate="sum"), "aggregate: there is no top_j"),
        (ct_task(modality="radiograph", scale=..., top_j=[1]), "one embedding only"),
        (ct_task(prompts={"screen": 3}), "screened on the tiles of slides only"),
        (
            slide_task(classes=THREE | {"PRCC": {"names": ["a"], "absent_names": ["b"]}}),
            "absent_names are used by",
        ),
        (
            ct_task(head="multi-label", normal="Normal", classes=PAIRED),
            "classes.mass: absent_names are used by head 'present-absent' only",
        ),
        (ct_task(absent_templates=["no {}."]), "absent_templates: they are used by head"),
        (slide_task(absent_templates=["no {}."]), "absent_templates: they are used by"),
        (slide_task(prompt_pooling="max"), "prompt_pooling: the tiles of slides"),
        (ct_task(prompt_pooling="max", prompts={"random": 9}), "drawn prompts are added"),
        (
            ct_task(prompt_pooling="max", prompts={"ensemble": "first-prompt"}),
            "only one prompt per class",
        ),
        (slide_task(unit_pooling="mean"), "unit_pooling: no head of this task"),
        (
            ct_task(head="mean", classes=THREE, unit_pooling="mean"),
            "unit_pooling: no head of this task",
        ),
        (
            ct_task(modality="radiograph", scale=..., unit_pooling="mean"),
            "unit_pooling: a radiograph has one embedding only",
        ),
        (
            slide_task(classes=THREE | {"PRCC": {"names": ["a"], "threshold": 0.3}}),
            "classes.PRCC.threshold: only findings that are judged one by one",
        ),
        (
            ct_task(
                head="multi-label",
                normal="N",
                classes={"a": {"names": ["a"]}, "N": {"names": ["n"], "threshold": 0.3}},
            ),
            "classes.N.threshold: only findings",
        ),
        (
            ct_task(
                threshold=0.3,
                classes={"a": {"names": ["a"], "absent_names": ["b"], "threshold": 0.2}},
            ),
            "threshold: every finding has a threshold of its own",
        ),
        (
            ct_task(head="mean", threshold={"from": "t.json"}, classes=TWO),
            "threshold: no head of this task",
        ),
        (finding_task(templates=["{}."]), "templates: head 'findings' makes no prompts"),
        (finding_task(normal="effusion"), "normal: head 'findings' makes no prompts"),
        (finding_task(logit_scale=10), "logit_scale: head 'findings' makes no prompts"),
        (finding_task(prompts={"random": 5}), "prompts: head 'findings' makes no prompts"),
        (finding_task(unit_pooling="mean"), "unit_pooling: no head of this task"),
        (ct_task(book="b.yaml"), "book: only head 'findings' reads a book"),
        (
            ct_task(classes={"a": {"names": ["a"], "absent_names": ["b"], "finding": "a"}}),
            "classes.a.finding: only head 'findings'",
        ),
    ],
)
def test_check_effect__refuses_what_nothing_looks_at(document: dict[str, Any], phrase: str) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_task(document, source="t.yaml")
    assert caught.value.code == "MV1506"


def test_check_effect__lets_roles_of_classes_stand() -> None:
    task = parse_task(slide_task(head="mean", positive="PRCC"), source="t.yaml")
    assert (task.normal, task.positive) == ("Normal", "PRCC")

"""What must go together in a task: each rule, with its code and the path it names."""

from typing import Any

import pytest

from medvlp.config.task import parse_task
from medvlp.config.task_rules import HEADS_BY_MODALITY
from medvlp.errors import ConfigError
from tests.config.task_documents import ct_task, detection_task, finding_task, slide_task

THREE = slide_task()["classes"]
PAIRED = ct_task()["classes"] | {"Normal": {"names": ["normal kidney"]}}


def one_class() -> dict[str, Any]:
    return {"CCRCC": {"names": ["clear cell"]}}


@pytest.mark.parametrize(
    ("document", "code", "phrase"),
    [
        (slide_task(classes={}), "MV1501", "classes: there are no classes"),
        (slide_task(classes=[]), "MV1501", "classes: there are no classes"),
        (slide_task(classes=None), "MV1501", "classes: there are no classes"),
        (slide_task(normal="normal"), "MV1502", "normal: 'normal' names no class.*'Normal'"),
        (detection_task(positive="Tumour"), "MV1502", "positive: 'Tumour' .* mean 'Tumor'"),
        (detection_task(normal="Tumor"), "MV1502", "both positive and normal"),
        (slide_task(normal=...), "MV1503", "normal: head 'subtype-ratio' needs"),
        (detection_task(positive=...), "MV1503", "positive: head 'detection-ratio' needs"),
        (detection_task(head="segmentation", positive=...), "MV1503", "head 'segmentation'"),
        (detection_task(head="subtype-ratio", normal="Normal"), "MV1503", "only one class beside"),
        (
            slide_task(head="detection-ratio", positive="PRCC", normal=...),
            "MV1503",
            "normal: head 'detection-ratio' with 3 classes needs the negative one",
        ),
        (slide_task(head="top-j"), "MV1503", "top_j: head 'top-j' needs top_j"),
        (slide_task(head="mean", classes=one_class(), normal=...), "MV1503", "the only class is"),
        (ct_task(classes=one_class()), "MV1503", "classes.CCRCC: head 'present-absent' needs"),
        (slide_task(templates=[]), "MV1504", "templates: there are no templates"),
        (slide_task(templates=...), "MV1504", "templates: there are no templates"),
        (slide_task(templates=None), "MV1002", "templates=None"),
        (slide_task(templates=["{}", "of CLASSNAME"]), "MV1504", r"templates\[1\].*0 places"),
        (slide_task(templates=["{} and {}"]), "MV1504", "2 places"),
        (slide_task(classes=THREE | {"PRCC": {}}), "MV1504", "classes.PRCC: the class has no"),
        (slide_task(scale=...), "MV1505", "scale: modality 'slide' needs a scale"),
        (slide_task(scale=ct_task()["scale"]), "MV1505", "this is a ct scale"),
        (ct_task(scale=slide_task()["scale"]), "MV1505", "this is a slide scale"),
        (ct_task(modality="radiograph"), "MV1505", "radiographs have no scale"),
        (slide_task(head="present-absent"), "MV1506", "does not judge modality 'slide'"),
        (ct_task(head="subtype-ratio"), "MV1506", "does not judge modality 'ct'"),
        (ct_task(head="findings"), "MV1506", "does not judge modality 'ct'"),
        (finding_task(head=["findings", "mean"]), "MV1506", "'findings' asks the model itself"),
        (
            detection_task(threshold={"form": "a"}),
            "MV1001",
            r"threshold.form is not .* mean 'from'",
        ),
        (slide_task(prompts={"random": 5, "screen": 5}), "MV1506", "screened or drawn, not both"),
        (ct_task(head=["present-absent", "multi-label"]), "MV1506", "same question in two ways"),
        (ct_task(head="multi-label", classes=THREE), "MV1503", "normal: head 'multi-label' needs"),
        (
            ct_task(head="multi-label", normal="CCRCC", classes=one_class()),
            "MV1503",
            "no class beside the normal one",
        ),
        (ct_task(normal="mass"), "MV1503", "no class beside the normal one"),
        (
            ct_task(normal="Normal", classes=PAIRED),
            "MV1506",
            "normal: head 'present-absent' compares each finding with its own absence",
        ),
        (
            ct_task(classes=one_class(), absent_templates=["no.", "no {}."]),
            "MV1504",
            r"absent_templates\[0\].*0 places",
        ),
        (
            ct_task(classes=one_class(), absent_templates=["There is {}."]),
            "MV1507",
            "absent_templates: a template is given twice",
        ),
        (ct_task(prompt_pooling="min"), "MV1002", "prompt_pooling='min'"),
        (slide_task(classes=THREE | {"ccrcc": {"names": ["a"]}}), "MV1507", "differ in case"),
        (
            slide_task(classes=THREE | {"PRCC": {"names": ["Clear  cell carcinoma"]}}),
            "MV1507",
            "classes.PRCC: 'Clear  cell carcinoma' is already a name of 'CCRCC'",
        ),
        (slide_task(classes=THREE | {"PRCC": {"names": ["a", "A"]}}), "MV1507", "already a name"),
        (slide_task(templates=["{}.", " {}."]), "MV1507", "a template is given twice"),
        (slide_task(head=["mean", "mean"]), "MV1507", "a head is given twice"),
        (slide_task(top_j=[3, 3]), "MV1507", "a number is given twice"),
        (slide_task(top_j=[10, 0]), "MV1508", r"top_j\[1\]: 0 is not positive"),
        (slide_task(top_j=-3), "MV1508", "-3 is not positive"),
    ],
)
def test_check_task__refuses_what_does_not_go_together(
    document: dict[str, Any], code: str, phrase: str
) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_task(document, source="t.yaml")
    assert caught.value.code == code
    assert caught.value.what.startswith("t.yaml: ")


@pytest.mark.parametrize(
    "document",
    [
        slide_task(head=["subtype-ratio", "top-j", "mean"], top_j=[1, 5], aggregate="sum"),
        slide_task(top_j=10),
        slide_task(head="mean"),
        slide_task(head=["detection-ratio", "segmentation"], positive="PRCC", threshold=0.3),
        detection_task(min_ratio=0.0),
        detection_task(threshold={"from": "threshold.json"}),
        slide_task(undecided="first-class"),
        slide_task(prompts={"random": 50}),
        slide_task(templates=..., prompts={"random": 50, "file": "keep.json"}),
        detection_task(head="mean"),
        slide_task(prompts={"ensemble": "first-name"}),
        slide_task(templates=..., prompts={"file": "keep.json"}),
        slide_task(
            classes={"A": {}, "B": {}, "Normal": {}}, templates=..., prompts={"file": "k.json"}
        ),
        ct_task(
            head=["present-absent", "mean"],
            classes=ct_task()["classes"]
            | {"cyst": {"names": ["cyst"], "absent_names": ["no cyst"]}},
        ),
        ct_task(modality="radiograph", scale=...),
        ct_task(head="multi-label", normal="Normal", classes=THREE),
        ct_task(head="multi-label", normal="Normal", classes=THREE, unit_pooling="mean"),
        ct_task(prompt_pooling="max", threshold=0.3, prompts={"ensemble": "first-name"}),
        ct_task(head=["present-absent", "mean"], normal="Normal", classes=PAIRED),
        ct_task(modality="radiograph", scale=..., prompt_pooling="max"),
        ct_task(prompts={"random": 100}),
        ct_task(classes=PAIRED, absent_templates=["there is no {}."]),
        finding_task(),
        finding_task(threshold=0.3, book="book.yaml"),
        finding_task(classes={"one": {"names": ["only one"], "threshold": 0.2}}),
    ],
)
def test_check_task__accepts_what_goes_together(document: dict[str, Any]) -> None:
    assert parse_task(document, source="t.yaml").name == document["name"]


def test_heads_by_modality__have_a_head_for_every_modality() -> None:
    assert set(HEADS_BY_MODALITY) == {"slide", "ct", "radiograph"}
    assert all(HEADS_BY_MODALITY.values())

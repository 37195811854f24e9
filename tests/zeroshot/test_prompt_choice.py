"""Which prompts a task asks for: for classes, and for and against findings."""

import json
import random
from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.zeroshot.prompt_choice import choose_class_prompts, choose_pair_prompts
from tests.zeroshot.slide_cases import slide_task
from tests.zeroshot.unit_cases import mass_task, scan_task


def texts(sets, name: str) -> list[str]:
    return [text for found in sets for text in found.listed(name)]


def test_choose_pair_prompts__puts_absent_names_into_the_same_templates() -> None:
    chosen = choose_pair_prompts(scan_task())
    assert list(chosen.present) == list(chosen.absent) == ["cyst", "stone"]
    assert sorted(texts(chosen.absent["stone"], "stone")) == [
        *("a clear pelvis", "no stone", "there is a clear pelvis.", "there is no stone.")
    ]
    assert len(texts(chosen.present["cyst"], "cyst")) == 4
    assert chosen.rule == "mean over all names and templates"


def test_choose_pair_prompts__denies_names_where_there_are_no_absent_names() -> None:
    classes = {"cyst": {"names": ["Cyst"]}, "stone": {"names": ["Stone"], "absent_names": ["none"]}}
    task = scan_task(
        classes=classes, templates=["{} is present."], absent_templates=["{} is not present."]
    )
    chosen = choose_pair_prompts(task)
    assert texts(chosen.present["cyst"], "cyst") == ["Cyst is present."]
    assert texts(chosen.absent["cyst"], "cyst") == ["Cyst is not present."]
    assert texts(chosen.absent["stone"], "stone") == ["none is present."]


def test_choose_pair_prompts__sets_the_normal_class_against_every_finding() -> None:
    classes = {"cyst": {"names": ["cyst"]}, "normal": {"names": ["sound"]}, "stone": {"names": "s"}}
    task = scan_task(head="multi-label", normal="normal", classes=classes, templates=["{}"])
    chosen = choose_pair_prompts(task)
    assert list(chosen.present) == ["cyst", "stone"]
    assert [texts(chosen.absent[name], name) for name in ("cyst", "stone")] == [["sound"]] * 2


def test_choose_pair_prompts__is_empty_without_findings() -> None:
    chosen = choose_pair_prompts(mass_task())
    assert (dict(chosen.present), dict(chosen.absent)) == ({}, {})


def test_choose_pair_prompts__draws_by_pythons_generator_for_each_side() -> None:
    chosen = choose_pair_prompts(scan_task(prompts={"random": 5}))
    options = [
        f"{a}{n}{b}"
        for n in ("a cyst", "a cystic lesion")
        for a, b in (("there is ", "."), ("", ""))
    ]
    drawn = [options[random.Random(seed).randint(0, 3)] for seed in range(5)]
    assert texts(chosen.present["cyst"], "cyst") == drawn
    assert len(texts(chosen.absent["cyst"], "cyst")) == 5
    assert chosen.rule == (
        "sum of 5 draws with replacement from the combinations of names and templates for and "
        "against each finding"
    )


def test_choose_pair_prompts__takes_many_findings_where_classes_would_be_too_many_to_combine() -> (
    None
):
    classes = {f"f{i}": {"names": [f"f{i}", f"g{i}"]} for i in range(18)}
    task = scan_task(classes=classes, absent_templates=["no {}."], prompts={"random": 3})
    assert len(choose_pair_prompts(task).absent) == 18
    both = scan_task(
        head=["present-absent", "mean"],
        classes=classes,
        absent_templates=["no {}."],
        prompts={"random": 3},
    )
    with pytest.raises(ConfigError, match="make 524288 prompt sets") as caught:
        choose_class_prompts(both)
    assert caught.value.code == "MV1515"


def sets_file(folder: Path) -> Path:
    sets = {
        str(i): {"classnames": {"cyst": f"c{i}", "stone": f"s{i}"}, "templates": f"CLASSNAME {i}"}
        for i in range(2)
    }
    path = folder / "prompts.json"
    path.write_text(json.dumps(sets), encoding="utf-8")
    return path


def test_choose_pair_prompts__uses_the_names_and_templates_of_a_file(tmp_path: Path) -> None:
    chosen = choose_pair_prompts(scan_task(prompts={"file": str(sets_file(tmp_path))}))
    assert texts(chosen.present["cyst"], "cyst") == ["c0 0", "c1 1"]
    assert texts(chosen.absent["cyst"], "cyst") == ["no cyst 0", "no cyst 1"]
    assert chosen.rule == "sum of the prompt sets of prompts.json for and against each finding"
    denied = scan_task(
        classes={"cyst": {}, "stone": {}},
        templates=...,
        absent_templates=["no {}"],
        prompts={"file": str(sets_file(tmp_path))},
    )
    absent = choose_pair_prompts(denied).absent
    assert texts(absent["stone"], "stone") == ["no s0", "no s1"]


def test_choose_class_prompts__gives_one_set_or_every_combination() -> None:
    (only,), rule = choose_class_prompts(slide_task())
    assert only.names["CCRCC"] == ("clear cell", "ccRCC")
    assert rule == "mean over all names and templates"
    sets, rule = choose_class_prompts(slide_task(prompts={"screen": 9}))
    assert len(sets) == 4
    assert rule.startswith("the 4 of 4 combinations of names and templates that part")


@pytest.mark.parametrize(
    ("ensemble", "rule"),
    [
        ("all", "the nearest of all names and templates"),
        ("first-name", "the nearest of all templates of the first name"),
    ],
)
def test_choose_class_prompts__says_where_the_nearest_prompt_counts(ensemble, rule) -> None:
    task = mass_task(prompt_pooling="max", prompts={"ensemble": ensemble})
    assert choose_class_prompts(task)[1] == rule

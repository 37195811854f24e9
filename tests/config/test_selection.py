"""A record of a choice knows its cases again, by content first and by name and table else."""

import pytest

from medvlp.config.selection import (
    SelectionRecord,
    case_id_sha256,
    chosen_on,
    is_test_split,
)
from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
TABLE = "d" * 64


def record(**changes) -> SelectionRecord:
    values = {
        "chosen": "checkpoint",
        "rule": "largest",
        "metric": "validation/auroc",
        "mode": "max",
        "split": "validation",
        "value": 0.75,
        "number": 2,
    }
    return SelectionRecord(**(values | changes))


def test_chosen_on__knows_cases_by_content_whatever_they_are_called():
    chosen = record(content_sha256=(A, B), case_id_sha256=(case_id_sha256("x"),))
    cases = [("x", C), ("other name", A)]
    assert chosen_on(chosen, cases) == ["other name"]
    assert chosen_on(chosen, cases, labels_sha256=TABLE) == ["other name"]


def test_chosen_on__knows_contents_by_the_digits_that_are_on_record():
    chosen = record(content_sha256=(A[:8], B))
    assert chosen_on(chosen, [("x", A), ("y", B), ("z", C)]) == ["x", "y"]


def test_chosen_on__without_contents_takes_the_name_within_the_same_table_only():
    chosen = record(case_id_sha256=(case_id_sha256("x"),), data_sha256=TABLE)
    cases = [("x", ""), ("y", "")]
    assert chosen_on(chosen, cases, labels_sha256=TABLE) == ["x"]
    assert chosen_on(chosen, cases, labels_sha256=A) == []
    assert chosen_on(chosen, cases) == []


def test_chosen_on__without_contents_on_the_other_side_takes_the_name_too():
    chosen = record(content_sha256=(A,), case_id_sha256=(case_id_sha256("x"),), data_sha256=TABLE)
    assert chosen_on(chosen, [("x", "")], labels_sha256=TABLE) == ["x"]


def test_chosen_on__of_no_choice_is_nothing():
    last = SelectionRecord(chosen="checkpoint", rule="last step, nothing was chosen")
    assert chosen_on(last, [("x", A)]) == []
    assert last.summary() == "checkpoint: last step, nothing was chosen"


def test_summary__names_metric_value_and_set():
    assert record().summary() == (
        "checkpoint: largest by validation/auroc 0.75 on 2 cases of validation"
    )


def test_told__holds_no_hash_of_a_case():
    told = record(content_sha256=(A,), case_id_sha256=(B,)).told()
    assert not {"content_sha256", "case_id_sha256"} & set(told)
    assert told["split"] == "validation"


@pytest.mark.parametrize(("name", "expected"), [("test", True), (" Test ", True), ("train", False)])
def test_is_test_split__goes_by_the_word(name, expected):
    assert is_test_split(name) is expected


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"mode": None}, "metric"),
        ({"split": ""}, "metric"),
        ({"metric": "", "on_test": True}, "on_test"),
        ({"content_sha256": ["abc"]}, "content_sha256"),
        ({"value": "high"}, "value"),
        ({"set": "x"}, "set"),
    ],
)
def test_record__refuses_what_cannot_be(changes, path):
    document = {**record().model_dump(mode="json"), **changes}
    with pytest.raises(ConfigError, match=path):
        parse_model(document, SelectionRecord, source="file")

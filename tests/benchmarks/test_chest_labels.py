"""The benchmark of labels from reports of chest films."""

from pathlib import Path

import pytest

from benchmarks import chest_labels as bench
from medvlp.knowledge.facets import load_finding_book


def test_read_captions__parts_them_in_halves(real_data: Path) -> None:
    halves = bench.read_captions(real_data)
    assert {half: len(texts) for half, texts in halves.items()} == {
        "development": 60,
        "held-out": 60,
    }
    names = set(load_finding_book().names)
    assert {name for texts in halves.values() for _, labels in texts for name, _ in labels} <= names


def test_score__counts_pairs_of_finding_and_answer() -> None:
    texts = [
        ("a", frozenset({("x", 1), ("y", 0)})),
        ("b", frozenset({("x", 1)})),
        ("c", frozenset()),
    ]
    found = {
        "a": frozenset({("x", 1), ("y", -1)}),
        "b": frozenset({("x", 1)}),
        "c": frozenset({("z", 1)}),
    }
    # 2 of 3 annotated and 2 of 4 found pairs are right
    scores = bench.score(texts, found.__getitem__)
    assert scores["f1"] == pytest.approx(4 / 7, abs=5e-5)
    assert scores["texts_without_error"] == 1
    assert scores["answers"]["present"] == {"annotated": 2, "found": 3, "right": 2}


def test_methods__differ_in_negation() -> None:
    labels = {name: label("No pneumothorax.") for name, label in bench.methods().items()}
    assert labels["names"] == {("pneumothorax", 1)}
    assert labels["names and negation"] == labels["rules"] == {("pneumothorax", 0)}


def test_judge_notes__counts_what_agrees_with_the_diagnosis() -> None:
    rows = [
        {"finding": "COVID-19, ARDS", "clinical_notes": "a"},
        {"finding": "Bacterial", "clinical_notes": "b"},
    ]
    found = {"a": frozenset({("COVID-19 pneumonia", 1)}), "b": frozenset()}
    judged = bench.judge_notes(rows, found.__getitem__)
    assert (judged["notes"], judged["with_a_finding"], judged["agreeing"]) == (2, 1, 1)
    assert judged["statements"] == {"COVID-19: present": 1, "ARDS: not mentioned": 1}

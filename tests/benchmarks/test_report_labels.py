from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from benchmarks import report_labels as bench
from medvlp.text.reports.extraction import WHOLE, RulesExtractor
from medvlp.text.reports.schema import load_schema


@pytest.fixture(scope="module")
def rows(real_data: Path) -> list[dict[str, str]]:
    """The half of the reports that may be looked at."""
    return bench.read_half(real_data / bench.FILE, "development")


def test_half_of__parts_ids_for_good() -> None:
    halves = [bench.half_of(f"train_{number}") for number in range(1000)]
    # by sha256sum: 0c, 85, 74 and b6
    assert halves[4:8] == ["development", "held-out", "development", "held-out"]
    assert 450 < halves.count("development") < 550


def test_labels__are_those_of_the_schema() -> None:
    titles = [a.title for a in load_schema("chest-ct").attributes.values()]
    assert titles == list(bench.LABELS)


def test_f1_scores__agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth, found = rng.random((60, 18)) < 0.3, rng.random((60, 18)) < 0.4
    truth[:, 3] = found[:, 4] = False
    expected = precision_recall_fscore_support(truth, found, zero_division=0)[:3]
    for actual, wanted in zip(bench.f1_scores(truth, found), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-12)


def test_keywords__are_looked_up_with_and_without_negation() -> None:
    report = "No consolidation. There is a hiatal hernia."
    place = {label: number for number, label in enumerate(bench.LABELS)}
    plain, asserted = bench.find_keywords(report), bench.find_asserted_keywords(report)
    assert plain[place["Consolidation"]]
    assert not asserted[place["Consolidation"]]
    assert asserted[place["Hiatal hernia"]]


def test_rules__beat_the_baselines_on_real_reports(rows: list[dict[str, str]]) -> None:
    rules = bench.score(rows, bench.rules_finder())
    keywords = bench.score(rows, bench.find_asserted_keywords)
    assert rules["macro_f1"] > 0.94
    assert rules["macro_f1"] > keywords["macro_f1"] + 0.05
    assert min(label["f1"] for label in rules["labels"].values()) > 0.85


def test_rules__give_evidence_in_real_reports(rows: list[dict[str, str]]) -> None:
    extractor = RulesExtractor(load_schema("chest-ct"))
    for row in rows[:60]:
        for answer in extractor.extract(row[bench.TEXT])[WHOLE].values():
            assert bool(answer.evidence) == (answer.value != "not stated")
            assert all(0 <= e.start < e.end <= len(row[bench.TEXT]) for e in answer.evidence)


def test_rules__read_kidneys_of_real_reports(rows: list[dict[str, str]]) -> None:
    extractor = RulesExtractor(load_schema("kidney"))
    stones = {"left": 0, "right": 0}
    for row in rows:
        for side, answers in extractor.extract(row[bench.TEXT]).items():
            stones[side] += answers["stones"].value == "present"
    assert min(stones.values()) >= 5
    assert max(stones.values()) <= 40

"""The report of a softmax classifier: hand-worked table, loop oracle, names, refusals."""

import math

import numpy as np
import pytest
import scipy.special

from medvlp.metrics.samples import UndefinedMetricError
from medvlp.metrics.softmax_report import softmax_report
from tests.oracles import classification as oracle


def random_case(seed: int, *, classes: int):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(60) % classes)
    return rng.normal(size=(60, classes)) + np.eye(classes)[labels], labels


# Predictions 1 0 1 0 against labels 1 1 0 0 and one sample without label: all four cells are 1.
def test_softmax_report__matches_a_case_worked_by_hand() -> None:
    logits = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [9.0, 0.0]]
    report = softmax_report(logits, [1, 1, 0, 0, -1])
    assert report.precision == report.recall == report.f1 == 0.5
    assert report.specificity == report.npv == 0.5
    assert report.roc_auc == 0.5


def test_softmax_report__tells_specificity_from_negative_predictive_value() -> None:
    logits = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    report = softmax_report(logits, [0, 1, 1, 0, 1])
    assert report.specificity == 0.5
    assert report.npv == pytest.approx(1 / 3)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_softmax_report__matches_explicit_loops(classes: int) -> None:
    logits, labels = random_case(classes, classes=classes)
    report = softmax_report(logits, labels)
    rows = scipy.special.softmax(logits, axis=1)
    guess = rows.argmax(axis=1)
    judged = [1] if classes == 2 else range(classes)

    def mean(metric) -> float:
        return float(np.mean([metric(c) for c in judged]))

    def share(part, whole) -> float:
        return np.sum(part & whole) / np.sum(whole)

    one = {c: ((labels == c).astype(int).tolist(), rows[:, c].tolist()) for c in range(classes)}
    close = {"rel": 0, "abs": 1e-12}
    assert report.roc_auc == pytest.approx(mean(lambda c: oracle.auroc(*one[c])), **close)
    assert report.pr_auc == pytest.approx(mean(lambda c: oracle.pr_auc(*one[c])), **close)
    expected = mean(lambda c: share(labels == c, guess == c))
    assert report.precision == pytest.approx(expected, **close)
    assert report.recall == pytest.approx(mean(lambda c: share(guess == c, labels == c)), **close)
    expected = mean(lambda c: share(guess != c, labels != c))
    assert report.specificity == pytest.approx(expected, **close)
    assert report.npv == pytest.approx(mean(lambda c: share(labels != c, guess != c)), **close)
    assert len(report.roc_auc_per_class) == classes


def test_softmax_report__leaves_a_class_without_labels_out_of_ranking_means() -> None:
    logits, labels = random_case(7, classes=4)
    report = softmax_report(logits, np.where(labels == 3, -1, labels))
    assert math.isnan(report.roc_auc_per_class[3])
    assert report.roc_auc == pytest.approx(report.roc_auc_per_class[:3].mean())


def test_softmax_report__does_not_change_with_a_shift_of_the_logits() -> None:
    logits, labels = random_case(8, classes=3)
    first = softmax_report(logits, labels)
    second = softmax_report(logits + 5.0, labels)
    assert first.pr_auc == pytest.approx(second.pr_auc, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "labels", "phrase"),
    [
        ((3, 2), [0, 1], "do not fit"),
        ((3, 1), [0, 0, 0], "do not fit"),
        ((3, 2), [0, 1, 2], r"labels must be -1 or 0\.\.1"),
        ((3, 2), [0, 1, -2], "labels must be -1"),
    ],
)
def test_softmax_report__refuses_what_does_not_fit(shape, labels, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        softmax_report(np.zeros(shape), labels)


@pytest.mark.parametrize("labels", [[0, 0, -1], [-1, -1, -1]])
def test_softmax_report__has_no_value_for_one_class(labels) -> None:
    with pytest.raises(UndefinedMetricError, match="fewer than two classes"):
        softmax_report(np.zeros((3, 2)), labels)

"""Thresholds of findings against a search that asks scikit-learn at every cut."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from medvlp.zeroshot.finding_thresholds import fit_finding_threshold, measure_threshold

FIGURES = {
    "max-f1": lambda truth, guess: f1_score(truth, guess, zero_division=0),
    "youden": lambda truth, guess: guess[truth].mean() - guess[~truth].mean(),
    "mcc": matthews_corrcoef,
}


@pytest.mark.parametrize("rule", FIGURES)
@pytest.mark.parametrize("seed", range(4))
def test_fit_finding_threshold__is_the_best_of_all_cuts(rule, seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(50) < 0.3
    scores = np.round(np.clip(rng.normal(0.3 + 0.25 * truth, 0.2), 0, 1), 2)
    best = max(FIGURES[rule](truth, scores > cut) for cut in [-1e-9, *scores] if cut < scores.max())
    found = fit_finding_threshold(truth, scores, rule)
    assert 0 < found.threshold < 1
    assert found.value == pytest.approx(FIGURES[rule](truth, scores > found.threshold), abs=1e-12)
    at_zero = FIGURES[rule](truth, scores > -1e-9)
    assert found.value >= (best if at_zero < best or scores.min() > 0 else 0) - 1e-12
    assert measure_threshold(truth, scores, rule, found.threshold) == pytest.approx(found.value)


# .2 n, .4 y, .6 n, .8 y: above .7 F1 is 2/3, above .3 it is 4/5; Youden is 1/2 above both.
def test_fit_finding_threshold__lies_in_the_middle_and_is_the_highest_of_equals():
    truth, scores = [0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8]
    found = fit_finding_threshold(truth, scores, "max-f1")
    assert (found.threshold, found.value) == (pytest.approx(0.3), pytest.approx(0.8))
    found = fit_finding_threshold(truth, scores, "youden")
    assert (found.threshold, found.value) == (pytest.approx(0.7), pytest.approx(0.5))


def test_fit_finding_threshold__stays_within_0_and_1_at_the_ends():
    found = fit_finding_threshold([0, 1, 1], [0.0, 1.0, 1.0], "mcc")
    assert (found.threshold, found.value) == (0.5, 1.0)
    close = [1.0, np.nextafter(1.0, 0)]
    found = fit_finding_threshold([1, 0], close, "youden")
    assert found.value == 1
    assert found.threshold < 1
    tiny = float(np.nextafter(0.0, 1.0))
    assert fit_finding_threshold([1, 0], [0.5, tiny], "mcc").value == 1


@pytest.mark.parametrize(
    ("truth", "scores", "said"),
    [
        ([1, 1], [0.1, 0.2], "one class"),
        ([0, 0], [0.1, 0.2], "one class"),
        ([0, 1], [0.1], "labels for"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, 1.2], "within 0 to 1"),
        ([0, 1], [0.1, np.nan], "within 0 to 1"),
        ([0, 1], [0.0, 0.0], "every score is 0"),
    ],
)
def test_fit_finding_threshold__refuses_what_parts_nothing(truth, scores, said):
    with pytest.raises(ValueError, match=said):
        fit_finding_threshold(truth, scores, "mcc")


def test_measure_threshold__is_0_where_nothing_is_defined():
    assert measure_threshold([0, 0], [0.1, 0.2], "max-f1", 0.5) == 0
    assert measure_threshold([1, 1], [0.1, 0.2], "mcc", 0.5) == 0

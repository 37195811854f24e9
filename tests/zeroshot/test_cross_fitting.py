"""What is measured on left-out folds tells of new cases."""

import numpy as np
import pytest
from scipy import special

from medvlp.zeroshot.calibration import fit_temperature, split_folds
from medvlp.zeroshot.cross_fitting import measure_confidence, measure_nodes, measure_sets
from medvlp.zeroshot.hierarchy import build_hierarchy


def cases(seed: int, n: int, factor: float = 4.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) * 1.5
    cumulated = special.softmax(z, axis=1).cumsum(axis=1)
    return factor * z, (rng.random((n, 1)) > cumulated).sum(axis=1).clip(max=2)


def test_measure_confidence__sees_the_calibration_error_fall() -> None:
    logits, labels = cases(0, 300)
    found = measure_confidence(logits, labels, np.arange(300), fit_temperature(logits, labels))
    assert found.accuracy == (logits.argmax(axis=1) == labels).mean()
    assert found.ece_before > 0.15
    assert found.ece_after < 0.08
    assert found.ece_left_out == pytest.approx(found.ece_after, abs=0.04)


def test_measure_confidence__is_worse_left_out_than_fitted() -> None:
    logits, labels = cases(1, 25)
    fit = fit_temperature(logits, labels)
    found = measure_confidence(logits, labels, np.arange(25), fit)
    assert found.nll_left_out >= fit.nll_after


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_measure_sets__covers_about_as_promised(method) -> None:
    logits, labels = cases(2, 300)
    shares = special.softmax(logits, axis=1)
    found = measure_sets(shares, labels, np.arange(300), 0.1, method)
    assert found.coverage_low <= 0.9
    assert found.coverage >= 0.88
    assert found.coverage_low < found.coverage < found.coverage_high
    assert 1 <= found.mean_size < 3


def test_measure_sets__matches_loops_over_folds() -> None:
    logits, labels = cases(5, 30)
    shares = special.softmax(logits, axis=1)
    covered, sizes = [], []
    for seed in range(20):
        folds = split_folds(np.arange(30), 5, seed)
        for i in range(30):
            others = sorted(1 - shares[j, labels[j]] for j in range(30) if folds[j] != folds[i])
            threshold = others[20 - 1]  # ceil(25 * 0.8) of 24 others
            held = {c for c in range(3) if 1 - shares[i, c] <= threshold} | {shares[i].argmax()}
            covered.append(labels[i] in held)
            sizes.append(len(held))
    found = measure_sets(shares, labels, np.arange(30), 0.2, "lac")
    assert found.coverage == pytest.approx(np.mean(covered), abs=1e-12)
    assert found.mean_size == pytest.approx(np.mean(sizes), abs=1e-12)


def test_measure_sets__are_full_where_there_are_too_few_cases() -> None:
    logits, labels = cases(3, 8)
    found = measure_sets(special.softmax(logits, axis=1), labels, np.arange(8), 0.1, "lac")
    assert found.coverage == 1
    assert found.share_of_full_sets == 1


def test_measure_sets__never_measures_a_single_group_on_itself() -> None:
    logits, labels = cases(4, 40)
    with pytest.raises(ValueError, match="all of one group: none can be left out"):
        measure_sets(special.softmax(logits, axis=1), labels, np.zeros(40), 0.2, "lac")


# Without a graph a node is a class, or the root where no class reaches the confidence.
def test_measure_nodes__matches_loops_over_folds() -> None:
    logits, labels = cases(6, 40)
    hierarchy = build_hierarchy(dict.fromkeys("abc"), None)
    right, at_root = [], []
    for seed in range(20):
        folds = split_folds(np.arange(40), 5, seed)
        for fold in range(5):
            fit = fit_temperature(logits[folds != fold], labels[folds != fold])
            for i in np.flatnonzero(folds == fold):
                shares = special.softmax(logits[i] / fit.temperature)
                at_root.append(shares.max() < 0.6)
                right.append(at_root[-1] or shares.argmax() == labels[i])
    found = measure_nodes(logits, labels, np.arange(40), hierarchy, 0.6)
    assert found.right == pytest.approx(np.mean(right))
    assert found.share_at_root == pytest.approx(np.mean(at_root))
    assert found.share_at_class == pytest.approx(1 - np.mean(at_root))


def test_measure_nodes__holds_the_class_about_as_often_as_the_confidence_says() -> None:
    logits, labels = cases(7, 400)
    hierarchy = build_hierarchy(dict.fromkeys("abc"), None)
    found = measure_nodes(logits, labels, np.arange(400), hierarchy, 0.8)
    assert found.right_high > 0.8
    assert found.right > 0.85
    assert 0.1 < found.share_at_class < 0.9

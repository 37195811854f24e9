"""Logits of heads, and the temperature against scipy's own search and closed forms."""

import numpy as np
import pytest
from scipy import optimize, special

from medvlp.zeroshot.calibration import (
    calibrated_probabilities,
    case_logits,
    fit_temperature,
    negative_log_likelihood,
    split_folds,
)


def overconfident(seed: int, n: int = 400, classes: int = 4, factor: float = 5.0):
    """Draw labels from softmax(z) and hand out factor * z: the right temperature is factor."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 1.5
    shares = special.softmax(z, axis=1)
    labels = np.asarray([rng.choice(classes, p=row) for row in shares])
    return factor * z, labels


def test_case_logits__are_log_probabilities_for_pooling_heads() -> None:
    actual = case_logits([[0.25, 0.75]], [3], head="mean")
    assert actual == pytest.approx(np.log([[0.25, 0.75]]))
    assert np.isfinite(case_logits([[0.0, 1.0]], [3], head="top-j")).all()


def test_case_logits__add_half_a_tile_per_class_to_shares() -> None:
    # 3 of 4 tiles and 1 of 4: (3.5 / 5, 1.5 / 5); none of 4: 0.5 / 5
    actual = case_logits([[0.75, 0.25], [1.0, 0.0]], [4, 4], head="subtype-ratio")
    assert np.exp(actual) == pytest.approx(np.asarray([[0.7, 0.3], [0.9, 0.1]]))


@pytest.mark.parametrize("min_ratio", [0.0, 0.05, 0.5])
def test_case_logits__of_a_detection_cross_where_the_rule_does(min_ratio: float) -> None:
    tiles = 40
    ratios = np.arange(tiles + 1) / tiles
    found = case_logits(
        np.stack([ratios, 1 - ratios], axis=1),
        np.full(len(ratios), tiles),
        head="detection-ratio",
        min_ratio=min_ratio,
    )
    assert (found[:, 0] > found[:, 1] + 1e-12).tolist() == (ratios > min_ratio).tolist()


def test_case_logits__refuse_heads_without_one_distribution() -> None:
    with pytest.raises(ValueError, match="'multi-label' gives no distribution"):
        case_logits([[0.5, 0.5]], [1], head="multi-label")
    with pytest.raises(ValueError, match="do not fit"):
        case_logits([[0.5, 0.5]], [1, 1], head="mean")


def test_negative_log_likelihood__matches_scipy() -> None:
    logits, labels = overconfident(0, n=30)
    expected = -special.log_softmax(logits / 2.5, axis=1)[np.arange(30), labels].mean()
    assert negative_log_likelihood(logits, labels, 2.5) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_fit_temperature__matches_a_search_of_scipy(factor: float) -> None:
    logits, labels = overconfident(1, factor=factor)
    fit = fit_temperature(logits, labels)
    expected = optimize.minimize(
        lambda beta: (
            -special.log_softmax(logits * beta[0], axis=1)[np.arange(len(labels)), labels].mean()
        ),
        [1.0],
        method="L-BFGS-B",
        bounds=[(1e-3, 1e3)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    assert fit.rule == "likelihood"
    assert 1 / fit.temperature == pytest.approx(expected.x[0], rel=1e-4)
    assert fit.nll_after == pytest.approx(expected.fun, abs=1e-9)
    assert fit.nll_after <= fit.nll_before
    assert fit.temperature == pytest.approx(factor, rel=0.25)


def test_fit_temperature__has_no_slope_left_in_two_classes_by_hand() -> None:
    # three of four right at margin 2: softmax margin log 3 is best, so T = 2 / log 3
    logits = np.asarray([[2.0, 0.0]] * 4)
    fit = fit_temperature(logits, [0, 0, 0, 1])
    assert fit.temperature == pytest.approx(2 / np.log(3), rel=1e-6)


def test_fit_temperature__stays_finite_where_all_is_right() -> None:
    # eight right at margin 1: the target is 9/10 against 1/10, so T = 1 / log 9
    fit = fit_temperature([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4, [0] * 4 + [1] * 4)
    assert fit.rule == "all-right"
    assert fit.temperature == pytest.approx(1 / np.log(9), rel=1e-6)
    assert calibrated_probabilities([1.0, 0.0], fit.temperature)[0] == pytest.approx(0.9)


def test_fit_temperature__says_where_scores_are_worse_than_none() -> None:
    fit = fit_temperature([[3.0, 0.0]] * 4, [1, 1, 1, 0])
    assert fit.rule == "no-information"
    assert calibrated_probabilities([3.0, 0.0], fit.temperature) == pytest.approx([0.5, 0.5], 1e-2)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[0.0, 1.0]], [2], r"labels must be in 0\.\.1"),
        ([[0.0, np.inf]], [1], "must be finite"),
        ([[0.0, 1.0]], [1, 0], "do not fit"),
    ],
)
def test_fit_temperature__refuses_what_it_cannot_fit(logits, labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)


def test_calibrated_probabilities__keep_the_order_of_classes() -> None:
    logits = np.random.default_rng(2).normal(size=(20, 5))
    for temperature in (0.1, 3.0):
        found = calibrated_probabilities(logits, temperature)
        assert found.sum(axis=1) == pytest.approx(np.ones(20))
        assert (found.argsort(axis=1) == logits.argsort(axis=1)).all()


def test_split_folds__keep_groups_together_and_use_every_fold() -> None:
    groups = [f"patient {n % 7}" for n in range(30)]
    folds = split_folds(groups, 5, seed=1)
    assert set(folds) == set(range(5))
    for name in set(groups):
        assert len({fold for fold, group in zip(folds, groups, strict=True) if group == name}) == 1
    assert set(split_folds([1, 2], 5, seed=0)) == {0, 1}
    assert (split_folds(groups, 5, 1) == folds).all()

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from medvlp.errors import DataError
from medvlp.probing.logistic import fit_logistic_probe


def samples(seed=0, num=90, dim=3, classes=2):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, num)
    rows = rng.standard_normal((num, dim))
    rows[:, 0] += labels
    return rows, labels, np.arange(num).astype(str)


@pytest.mark.parametrize("balanced", [False, True])
def test_fit_logistic_probe__minimises_the_formula(balanced):
    rows, labels, groups = samples()
    labels[:60] = 0
    probe = fit_logistic_probe(
        rows, labels, groups, num_classes=2, balanced=balanced, strengths=(0.03,)
    )
    scaled = (rows - rows.mean(0)) / rows.std(0) / np.sqrt(3)
    share = labels.mean()
    weight = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share)) if balanced else 1.0

    def loss(x):
        chance = expit(scaled @ x[:3] + x[3])
        entropy = -np.log(np.where(labels == 1, chance, 1 - chance))
        return (weight * entropy).mean() + 0.03 / 2 * (x[:3] ** 2).sum()

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    expected = expit(scaled @ best[:3] + best[3])
    np.testing.assert_allclose(probe.probabilities(rows)[:, 1], expected, atol=2e-4)


def test_fit_logistic_probe__minimises_the_formula_for_three_classes():
    rows, labels, groups = samples(classes=3)
    probe = fit_logistic_probe(rows, labels, groups, num_classes=3, strengths=(0.1,))
    scaled = (rows - rows.mean(0)) / rows.std(0) / np.sqrt(3)

    def logits(x):
        return scaled @ x[:9].reshape(3, 3) + x[9:]

    def loss(x):
        return log_loss(labels, softmax(logits(x), axis=1)) + 0.1 / 2 * (x[:9] ** 2).sum()

    expected = softmax(logits(minimize(loss, np.zeros(12), tol=1e-12).x), axis=1)
    np.testing.assert_allclose(probe.probabilities(rows), expected, atol=3e-4)


def test_fit_logistic_probe__chooses_strength_by_left_out_groups():
    rng = np.random.default_rng(2)
    noise, labels = rng.standard_normal((40, 30)), np.arange(40) % 2
    copies, twice = np.vstack([noise, noise]), np.tile(labels, 2)
    kept = fit_logistic_probe(copies, twice, np.tile(np.arange(40), 2).astype(str), num_classes=2)
    torn = fit_logistic_probe(copies, twice, np.arange(80).astype(str), num_classes=2)
    assert kept.strength == 10
    assert torn.strength < 0.1


def test_fit_logistic_probe__gives_a_class_it_never_saw_no_chance():
    rows, labels, groups = samples(classes=2)
    probe = fit_logistic_probe(rows, labels * 2, groups, num_classes=3)
    assert (probe.probabilities(rows)[:, 1] == 0).all()
    np.testing.assert_allclose(probe.probabilities(rows).sum(axis=1), 1)


def test_fit_logistic_probe__refuses_one_class():
    rows, labels, groups = samples()
    with pytest.raises(DataError, match=r"MV2323: the 90 samples.*one class"):
        fit_logistic_probe(rows, 0 * labels, groups, num_classes=2)

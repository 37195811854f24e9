"""Alignment and uniformity by hand and by loops."""

import math
from itertools import combinations

import numpy as np
import pytest

from medvlp.metrics.embedding_space import alignment, uniformity
from medvlp.metrics.samples import UndefinedMetricError


def test_alignment__hand_worked():
    # (1, 0) to (0, 1) is 2; equal ones are 0.
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert alignment(x, y) == pytest.approx(1.0, abs=1e-15)


def test_uniformity__hand_worked_and_by_a_loop():
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])  # squared distance 4
    assert uniformity(opposite) == pytest.approx(-8.0, rel=1e-12)
    assert uniformity(np.ones((3, 1))) == pytest.approx(0.0, abs=1e-12)
    x = np.random.default_rng(0).normal(size=(1030, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [math.exp(-2 * float(np.sum((a - b) ** 2))) for a, b in combinations(x[:60], 2)]
    assert uniformity(x[:60]) == pytest.approx(math.log(math.fsum(pairs) / len(pairs)), rel=1e-12)
    squared = np.sum((x[:, None] - x) ** 2, axis=2)[np.triu_indices(1030, 1)]  # several blocks
    assert uniformity(x) == pytest.approx(float(np.log(np.exp(-2 * squared).mean())), rel=1e-10)


def test_metrics__have_no_value_on_too_few():
    with pytest.raises(UndefinedMetricError, match="uniformity of 1"):
        uniformity(np.ones((1, 2)))
    with pytest.raises(UndefinedMetricError, match="no pairs"):
        alignment(np.ones((0, 2)), np.ones((0, 2)))
    with pytest.raises(ValueError, match="make no pairs"):
        alignment(np.ones((1, 2)), np.ones((2, 2)))

"""mAP and CMC of a ranking worked by hand."""

import numpy as np
import pytest

from medvlp.metrics.retrieval import score_retrieval
from medvlp.metrics.samples import UndefinedMetricError


def at(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_score_retrieval__worked_by_hand():
    # from 0 degrees the gallery is ranked 10 (label 1), 20 (label 0), 30 (1), 40 (0):
    # label 0 stands at ranks 2 and 4: AP = (1/2 + 2/4) / 2 = 1/2, first at rank 2
    # from 45 degrees: 40 (0), 30 (1), 20 (0), 10 (1): label 1 at 2 and 4: AP = 1/2
    # from 12 degrees, label 1: 10 (1), 20 (0), 30 (1), 40 (0): AP = (1 + 2/3) / 2 = 5/6, rank 1
    scores = score_retrieval(
        at(0, 45, 12), np.array([0, 1, 1]), at(20, 10, 40, 30), np.array([0, 1, 0, 1]), ranks=(1, 2)
    )
    assert scores.mean_ap == pytest.approx((0.5 + 0.5 + 5 / 6) / 3, abs=1e-12)
    assert scores.cmc == {1: pytest.approx(1 / 3), 2: 1.0}
    assert scores.num_queries == 3


def test_score_retrieval__leaves_out_queries_without_an_item_and_puts_ties_last():
    tied = score_retrieval(at(0, 0), np.array([0, 7]), at(10, 10), np.array([0, 1]), ranks=(1, 2))
    assert (tied.num_queries, tied.cmc) == (1, {1: 0.0, 2: 1.0})
    with pytest.raises(UndefinedMetricError, match="no query has an item"):
        score_retrieval(at(0), np.array([5]), at(10), np.array([0]))

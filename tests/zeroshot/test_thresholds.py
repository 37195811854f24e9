"""Youden's threshold against a search over all thresholds."""

import numpy as np
import pytest

from medvlp.metrics import UndefinedMetricError, youden_point
from medvlp.zeroshot.thresholds import fit_tile_threshold


def searched(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the best sensitivity + specificity - 1 over all ways to part the scores."""
    best = -1.0
    for cut in [-1.0, *scores]:
        positive = scores > cut
        sensitivity = sum(p for p, t in zip(positive, truth, strict=True) if t) / truth.sum()
        specificity = sum(not p for p, t in zip(positive, truth, strict=True) if not t)
        best = max(best, sensitivity + specificity / (~truth).sum() - 1)
    return best


# Scores .2 and .4 negative, .6 and .9 positive, .7 negative: above .5 two of two, two of three.
def test_fit_tile_threshold__lies_between_the_scores_that_it_parts() -> None:
    found = fit_tile_threshold([0, 0, 1, 0, 1], [0.2, 0.4, 0.6, 0.7, 0.9])
    assert found.threshold == pytest.approx(0.5)
    assert found.youden_index == pytest.approx(2 / 3)
    assert found.auroc == pytest.approx(5 / 6)


@pytest.mark.parametrize("seed", range(5))
def test_fit_tile_threshold__matches_a_search_over_all_thresholds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(60) < 0.4
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * truth, 0.15), 0, 1), 2)
    found = fit_tile_threshold(truth, scores)
    assert found.youden_index == pytest.approx(searched(truth, scores), abs=1e-12)
    positive = scores > found.threshold
    reached = positive[truth].mean() + (~positive)[~truth].mean() - 1
    assert reached == pytest.approx(found.youden_index, abs=1e-12)
    assert (positive == (scores >= youden_point(truth, scores)[0])).all()


def test_fit_tile_threshold__refuses_tiles_that_cannot_be_parted() -> None:
    with pytest.raises(UndefinedMetricError):
        fit_tile_threshold([1, 1], [0.2, 0.3])
    with pytest.raises(ValueError, match="better than chance"):
        fit_tile_threshold([0, 1], [0.9, 0.1])

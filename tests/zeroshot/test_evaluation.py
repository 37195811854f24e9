"""KEEP's scores, on slides small enough to count."""

import numpy as np
import pytest

from medvlp.metrics import UndefinedMetricError, bootstrap_keep, f1
from medvlp.zeroshot.evaluation import score_detection, score_segmentation, score_subtyping

LABELS = np.asarray([0, 0, 0, 1, 1, 1])
RATIOS = np.asarray([0.0, 0.1, 0.4, 0.3, 0.6, 0.9])


# Of 9 pairs one is in the wrong order; at specificity 1 two of three are found.
def test_score_detection__matches_a_case_worked_by_hand() -> None:
    found = score_detection(LABELS, RATIOS, num_draws=50)
    assert found.auroc == pytest.approx(8 / 9)
    assert found.sensitivity_at_95_specificity == pytest.approx(2 / 3)
    assert found.auroc_draws.low <= found.auroc_draws.median <= found.auroc_draws.high
    assert len(found.auroc_draws.values) + found.auroc_draws.num_undefined == 50


def test_score_detection__has_no_value_for_slides_of_one_kind() -> None:
    with pytest.raises(UndefinedMetricError):
        score_detection(np.ones(3, int), RATIOS[:3], num_draws=5)


def test_score_subtyping__matches_a_case_worked_by_hand() -> None:
    guess = np.asarray([0, 0, 1, 1, 1, 1])
    found = score_subtyping(LABELS, guess, num_draws=40)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.weighted_f1 == pytest.approx((4 / 5 + 6 / 7) / 2)
    expected = bootstrap_keep(lambda y, p: f1(y, p, "weighted"), [LABELS, guess], num_draws=40)
    assert (found.weighted_f1_draws.values == expected.values).all()


# Four tiles of 16 px on a 32 px slide, the mask covers the left half; level 1 has factor 16.
def segmentation(threshold: float, mask: np.ndarray):
    coords = np.asarray([[0, 0], [16, 0], [0, 16], [16, 16]])
    return score_segmentation(
        mask,
        coords,
        [0.9, 0.4, 0.6, 0.1],
        tile_px0=16,
        threshold=threshold,
        level_downsamples=[1.0, 16.0],
    )


def test_score_segmentation__matches_a_case_worked_by_hand() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 1
    assert segmentation(0.5, mask).auroc == 1
    assert segmentation(0.5, mask).dice == 1
    assert segmentation(0.3, mask).dice == pytest.approx(2 * 2 / (3 + 2))
    assert segmentation(0.95, mask).dice == 0


def test_score_segmentation__of_an_empty_mask_has_no_roc_curve() -> None:
    found = segmentation(0.95, np.zeros((32, 32), np.uint8))
    assert (found.auroc, found.dice) == (None, 1.0)

import math

import pytest
import torch
from torch.nn.functional import normalize

from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.duplicates import (
    concept_text_loss,
    knowledge_clip_loss,
    masked_clip_loss,
    report_contrast_loss,
)

ONE = torch.tensor(1.0, dtype=torch.float64)
AXES = torch.eye(2, dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def random_units(num_rows, seed):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(num_rows, 6, generator=generator, dtype=torch.float64))


def test_masked_clip_loss__by_hand():
    # z = [[1, 0], [0, 1]]: equal labels leave no negative, other labels are CLIP.
    same, other = torch.tensor([-1, -1]), torch.tensor([-1, 0])
    assert masked_clip_loss(AXES, AXES, ONE, same).total.item() == 0
    actual = masked_clip_loss(AXES, AXES, ONE, other).total
    assert actual.item() == pytest.approx(softplus(-1.0), rel=1e-15)


def test_masked_clip_loss__of_distinct_labels_or_none_is_clip():
    image, text = random_units(7, 0), random_units(7, 1)
    expected = info_nce_loss(image, text, 9 * ONE).total.item()
    for label in (None, torch.arange(7) * 10**17 - 1):
        actual = masked_clip_loss(image, text, 9 * ONE, label).total
        assert actual.item() == pytest.approx(expected, rel=1e-14)


def test_knowledge_clip_loss__weighs_both_terms():
    image, text, knowledge = (random_units(5, seed) for seed in range(3))
    report = knowledge_clip_loss(image, text, knowledge, 9 * ONE, weights=(2.0, 1.0))
    first = info_nce_loss(image, text, 9 * ONE).total.item()
    second = info_nce_loss(text, knowledge, 9 * ONE).total.item()
    assert report.terms["image_text"].item() == pytest.approx(first, rel=1e-14)
    assert report.terms["text_knowledge"].item() == pytest.approx(second, rel=1e-14)
    assert report.total.item() == pytest.approx((2 * first + second) / 3, rel=1e-14)


@pytest.mark.parametrize("weights", [(-1.0, 2.0), (0.0, 0.0)])
def test_knowledge_clip_loss__refuses_weights(weights):
    with pytest.raises(ValueError, match="at least 0 and not both 0"):
        knowledge_clip_loss(AXES, AXES, AXES, ONE, weights=weights)


def test_concept_text_loss__by_hand():
    # One concept twice, z = [[1, 0], [0, 1]]: probabilities 1/2, column-l2 1/sqrt(2) each.
    # Per row: -w (2 log softmax summed) = w (2 log(e + 1) - 1).
    concept = torch.tensor([4, 4])
    row = 2 * math.log(math.e + 1) - 1
    for targets, weight in (("probabilities", 0.5), ("column-l2", math.sqrt(0.5))):
        report = concept_text_loss(AXES, AXES, ONE, concept, targets=targets)
        assert report.total.item() == pytest.approx(weight * row, rel=1e-14)
        assert report.terms["image_to_text"].item() == pytest.approx(weight * row, rel=1e-14)


def test_report_contrast_loss__by_hand():
    # Two copies of one report: shared targets, no negatives, or CLIP.
    text = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    ids = torch.tensor([8, 8])
    # z = [[1, 1], [0, 0]]. share: rows log 2, columns log(e + 1) - 1/2; oppose: columns differ
    share = (math.log(2) + math.log(math.e + 1) - 0.5) / 2
    oppose = (math.log(2) + (2 * math.log(math.e + 1) - 1) / 2) / 2
    expected = {"share": share, "ignore": 0.0, "oppose": oppose}
    for identical, value in expected.items():
        actual = report_contrast_loss(AXES, text, ONE, ids, identical=identical).total
        assert actual.item() == pytest.approx(value, rel=1e-14, abs=1e-15)

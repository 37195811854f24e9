"""What all models of findings share: texts in order, pixels as stated, means over texts."""

import numpy as np
import pytest
import torch

from medvlp.models.radiograph.finding_model import (
    FindingQueries,
    check_pixels,
    facet_texts,
    mean_over_facets,
)
from tests.models.radiograph.tiny_findings import FINDINGS, SIDE


def test_facet_texts__keeps_findings_and_kinds_of_texts():
    texts, class_index, kind = facet_texts(FINDINGS[:2])
    assert texts == [
        "effusion",
        "fluid",
        "fluid beside the lung",
        "a white base",
        "nodule",
        "a small round mass",
        "a round spot",
        "a dense spot",
    ]
    assert class_index.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert kind.tolist() == [0, 0, 1, 2, 0, 1, 2, 2]


def test_mean_over_facets__by_hand():
    """Texts e1 and e2 of one finding against -e1: gaps 2 and 1, sigmoids of scale times these."""
    image = torch.tensor([[1.0, 0.0]])
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    against = torch.tensor([[[-1.0, 0.0]], [[-1.0, 0.0]]])
    queries = FindingQueries(FINDINGS[:1], None, texts, torch.tensor([0, 0]), against)
    expected = (1 / (1 + np.exp(-6.0)) + 1 / (1 + np.exp(-3.0))) / 2
    assert mean_over_facets(image, queries, 3.0).item() == pytest.approx(expected, abs=1e-6)
    bare = FindingQueries(FINDINGS[:1], None, None, torch.tensor([0]), None)
    with pytest.raises(ValueError, match="hold no texts"):
        mean_over_facets(image, bare, 1.0)


def test_check_pixels__refuses_other_shapes_and_types():
    for pixels in (torch.zeros(1, 1, SIDE, SIDE), torch.zeros(SIDE, SIDE), torch.zeros(1, 8, 8)):
        with pytest.raises(ValueError, match="must have shape"):
            check_pixels(pixels, SIDE)
    with pytest.raises(ValueError, match="float32"):
        check_pixels(np.zeros((1, SIDE, SIDE), np.uint8), SIDE)

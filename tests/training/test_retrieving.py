"""Recall both ways, by hand."""

import pytest
import torch

from medvlp.training.retrieving import retrieval_figures


def test_retrieval_figures__count_texts_of_the_group_as_hits_and_average_both_ways():
    corner = torch.eye(3)
    image = corner
    text = corner[[0, 2, 1]]  # the second and the third are exchanged
    apart = retrieval_figures(image, text, torch.tensor([0, 1, 2]))
    assert apart["image_to_text/recall_1"] == pytest.approx(1 / 3)
    assert apart["text_to_image/recall_1"] == pytest.approx(1 / 3)
    assert apart["recall_5"] == 1.0
    assert len(apart) == 9
    together = retrieval_figures(image, text, torch.tensor([0, 1, 1]))
    assert together["recall_1"] == 1.0
    # three texts on one image: every text finds its image, the other images find nothing at once
    text = corner[[0, 0, 0]]
    found = retrieval_figures(image, text, torch.tensor([0, 1, 2]))
    assert found["image_to_text/recall_1"] == 0.0
    assert found["text_to_image/recall_1"] == pytest.approx(1 / 3)
    assert found["recall_1"] == pytest.approx(1 / 6)

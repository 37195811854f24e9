"""Figures of a validation split, by hand."""

import math

import numpy as np
import pytest
import torch

from medvlp.training.radiograph_judging import RadiographFigures, macro_auroc


def test_macro_auroc__is_over_findings_with_both_labels():
    labels = np.array([[1, 1, 0], [0, 1, -1], [1, 1, 1], [0, -1, 1]])
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.2, 0.9], [0.1, 0.3, 0.6], [0.05, 0.4, 0.4]])
    # finding 0: pairs 0.9>0.2, 0.9>0.05, 0.1<0.2, 0.1>0.05 -> 3/4; finding 2: 0.6>0.5, 0.4<0.5
    value, counted = macro_auroc(labels, scores)
    assert counted == 2
    assert value == pytest.approx((0.75 + 0.5) / 2)


def test_macro_auroc__of_no_finding_is_no_number():
    value, counted = macro_auroc(np.array([[1], [1]]), np.array([[0.1], [0.2]]))
    assert math.isnan(value)
    assert counted == 0


def test_figures__join_batches_and_forget():
    figures = RadiographFigures()
    figures.add_judgements(0, torch.tensor([[1.0]]), torch.tensor([[1]]))
    figures.add_judgements(1, torch.tensor([[0.0]]), torch.tensor([[0]]))
    corner = torch.eye(3)
    figures.add_pairs(0, corner, corner[[1, 0, 2]], torch.tensor([4, 4, 5]))
    found = figures.take()
    assert found == {
        "findings": 1.0,
        "auroc": 1.0,
        "recall_1": 1.0,
        "recall_5": 1.0,
        "recall_10": 1.0,
    }
    assert figures.take() == {}


def test_figures__without_both_labels_have_no_auroc():
    figures = RadiographFigures()
    figures.add_judgements(0, torch.tensor([[1.0]]), torch.tensor([[1]]))
    assert figures.take() == {"findings": 0.0}

"""Rare classes weigh more, and the mean weight of a sample is 1."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from medvlp.losses.class_weights import inverse_frequency_weights

LABELS = torch.tensor([0, 0, 0, 2, -1, 2, 0, 0, -1])  # 5 of class 0, none of 1, 2 of 2


def test_inverse_frequency_weights__worked_by_hand():
    # 1/5 and 1/2, times 7 / (1 + 1)
    expected = torch.tensor([0.7, 1.0, 1.75])
    torch.testing.assert_close(inverse_frequency_weights(LABELS, 3), expected)


def test_inverse_frequency_weights__are_those_of_scikit_learn_for_classes_that_occur():
    labels = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(0))
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels.numpy())
    actual = inverse_frequency_weights(labels, 4).double()
    torch.testing.assert_close(actual, torch.tensor(expected), rtol=1e-6, atol=0)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_inverse_frequency_weights__of_samples_are_1_on_average(power):
    weights = inverse_frequency_weights(LABELS, 3, power=power)
    assert float(weights[LABELS[LABELS >= 0]].mean()) == pytest.approx(1.0)
    if power == 0:
        assert weights.tolist() == [1.0, 1.0, 1.0]


def test_inverse_frequency_weights__are_1_where_nothing_is_labelled():
    assert inverse_frequency_weights(torch.full((3,), -1), 2).tolist() == [1.0, 1.0]
    assert inverse_frequency_weights(torch.zeros(0, dtype=torch.int64), 2).tolist() == [1.0, 1.0]


def test_inverse_frequency_weights__refuses_labels_that_are_no_class():
    with pytest.raises(ValueError, match=r"labels must be in -1\.\.1"):
        inverse_frequency_weights(LABELS, 2)

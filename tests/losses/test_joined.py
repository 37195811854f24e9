import math

import pytest
import torch

from medvlp.losses.joined import joined_logsumexp, joined_mean, joined_ratio


def test_joined_mean__hand_worked():
    values, weights = torch.tensor([1.0, 5.0, 100.0]), torch.tensor([3.0, 1.0, 0.0])
    assert joined_mean(values, weights).item() == 2


def test_joined_mean__is_zero_with_zero_gradient_without_weights():
    values = torch.ones(3, requires_grad=True)
    mean = joined_mean(values, torch.zeros(3, dtype=torch.bool))
    mean.backward()
    assert mean.item() == 0
    assert torch.equal(values.grad, torch.zeros(3))


def test_joined_ratio__divides_each_entry_and_gives_zero_for_a_divisor_of_zero():
    ratio = joined_ratio(torch.tensor([6.0, 0.0]), torch.tensor([3, 0]))
    assert ratio.tolist() == [2, 0]


def test_joined_logsumexp__equals_torch_and_leaves_out_minus_infinity():
    x = torch.tensor([[0.0, 1000.0, -torch.inf], [math.log(3), 1000.0, -torch.inf]])
    expected = [math.log(4), 1000 + math.log(2), -math.inf]
    assert joined_logsumexp(x, 0).tolist() == pytest.approx(expected)


def test_joined_logsumexp__has_finite_gradients_where_all_is_left_out():
    x = torch.tensor([[0.0, -torch.inf]], requires_grad=True)
    joined_logsumexp(x, 0)[0].backward()
    assert x.grad.tolist() == [[1, 0]]


def test_joined_logsumexp__takes_no_rows():
    assert joined_logsumexp(torch.zeros(0, 2), 0).tolist() == [-math.inf, -math.inf]

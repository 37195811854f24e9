import math

import pytest
import torch

from medvlp.losses.engine.anchors import anchor_mean, group_logsumexp, group_mean


def test_anchor_mean__weighs_and_passes_over_weight_zero():
    values = torch.tensor([1.0, 4.0, torch.inf]).double().requires_grad_()
    weights = torch.tensor([3.0, 1.0, 0.0]).double()
    mean = anchor_mean(values, weights)
    mean.backward()
    assert mean.item() == pytest.approx(7 / 4)
    assert values.grad.tolist() == [0.75, 0.25, 0.0]


def test_anchor_mean__is_zero_where_nothing_counts():
    assert anchor_mean(torch.ones(2).double(), torch.zeros(2).double()).item() == 0


def test_group_mean__averages_within_groups_and_gives_zero_for_none():
    values, group = torch.tensor([1.0, 3.0, 5.0]).double(), torch.tensor([2, 2, 0])
    assert group_mean(values, group, 3).tolist() == [5.0, 0.0, 2.0]


def test_group_logsumexp__is_stable_and_leaves_out_minus_infinity():
    values = torch.tensor([1000.0, 1000.0, -torch.inf, -torch.inf, -2000.0]).double()
    values.requires_grad_()
    actual = group_logsumexp(values, torch.tensor([0, 0, 0, 1, 2]), 4)
    assert actual.tolist() == pytest.approx([1000 + math.log(2), -math.inf, -2000, -math.inf])
    actual[[0, 2]].sum().backward()
    assert values.grad.tolist() == pytest.approx([0.5, 0.5, 0.0, 0.0, 1.0])


def test_group_logsumexp__reduces_each_column_of_a_table():
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    group = torch.tensor([1, 0, 1, 1, 0])
    expected = torch.stack([table[group == g].logsumexp(0) for g in (0, 1)])
    torch.testing.assert_close(group_logsumexp(table, group, 2), expected, rtol=1e-14, atol=0)

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from medvlp.errors import LossError
from medvlp.losses.matching import matching_loss


def test_matching_loss__hand_worked():
    # Rows: softmax(ln 3, 0) = (3/4, 1/4), softmax(0, 0) = (1/2, 1/2): (ln(4/3) + ln 2)/2.
    # Columns: softmax(ln 3, 0) = (3/4, 1/4), softmax(0, 0): the same.
    scores = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    expected = (math.log(4 / 3) + math.log(2)) / 2
    loss = matching_loss(scores)
    assert loss.row_to_column.item() == pytest.approx(expected, rel=1e-14)
    assert loss.column_to_row.item() == pytest.approx(expected, rel=1e-14)
    assert loss.symmetric.item() == pytest.approx(expected, rel=1e-14)


def test_matching_loss__equals_cross_entropy_of_torch():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = matching_loss(scores)
    rows, columns = cross_entropy(scores, torch.arange(6)), cross_entropy(scores.T, torch.arange(6))
    torch.testing.assert_close(loss.row_to_column, rows, rtol=0, atol=1e-14)
    torch.testing.assert_close(loss.column_to_row, columns, rtol=0, atol=1e-14)


def test_matching_loss__swaps_directions_under_transposition():
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    forth, back = matching_loss(scores), matching_loss(scores.T)
    torch.testing.assert_close(forth.row_to_column, back.column_to_row, rtol=0, atol=1e-14)
    torch.testing.assert_close(forth.column_to_row, back.row_to_column, rtol=0, atol=1e-14)


def test_matching_loss__does_not_change_when_all_scores_shift():
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    actual = matching_loss(scores + 1000).symmetric
    torch.testing.assert_close(actual, matching_loss(scores).symmetric, rtol=0, atol=1e-11)


def test_matching_loss__is_finite_at_scale_1000():
    scores = (1000 * torch.randn(8, 8, generator=torch.Generator().manual_seed(3))).requires_grad_()
    loss = matching_loss(scores).symmetric
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()


def test_matching_loss__refuses_columns_that_are_not_the_joined_batch():
    with pytest.raises(LossError, match=r"MV1850: scores has shape \(2, 3\); expected \(any, 2\)"):
        matching_loss(torch.zeros(2, 3))

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within


def test_check_shape__accepts_any_length_for_none():
    check_shape("x", torch.zeros(2, 5, 3), (2, None, 3))


@pytest.mark.parametrize("expected", [(2, 5), (2, 5, 4), (None, None, None, None)])
def test_check_shape__names_both_shapes(expected):
    with pytest.raises(LossError, match=r"MV1850: x has shape \(2, 5, 3\); expected \("):
        check_shape("x", torch.zeros(2, 5, 3), expected)


def test_check_dtype__tells_integers_from_floating_point():
    check_dtype("ids", torch.zeros(1, dtype=torch.int32), floating=False)
    check_dtype("flags", torch.zeros(1, dtype=torch.bool), floating=False)
    check_dtype("x", torch.zeros(1, dtype=torch.bfloat16), floating=True)
    with pytest.raises(LossError, match=r"MV1854: ids has dtype torch\.float32; expected integers"):
        check_dtype("ids", torch.zeros(1), floating=False)
    with pytest.raises(LossError, match=r"MV1854: x has dtype torch\.int64; expected floating"):
        check_dtype("x", torch.zeros(1).long(), floating=True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_check_rows__refuses_what_is_not_finite(bad):
    with pytest.raises(LossError, match="MV1852: image holds NaN or Inf; expected finite"):
        check_rows(2, [finite("image", torch.tensor([0.0, bad]))])


def test_check_rows__raises_what_the_first_check_says():
    checks = [
        within("bins", torch.tensor([0, 2]), 0, 3),
        within("events", torch.tensor([0, 2]), 0, 1),
        finite("image", torch.tensor([float("nan")])),
    ]
    with pytest.raises(LossError, match=r"MV1853: events holds values outside \[0, 1\]"):
        check_rows(2, checks)


def test_check_rows__returns_the_rows_of_this_rank_alone():
    assert check_rows(3, [finite("x", torch.zeros(3))]) == [3]


def test_check_rows__refuses_an_empty_batch():
    with pytest.raises(LossError, match="MV1851: the batch holds no rows on any rank"):
        check_rows(0, [finite("x", torch.zeros(0))])

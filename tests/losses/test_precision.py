import pytest
import torch

from medvlp.losses.precision import in_full_precision, outside_autocast


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.int64, torch.int64),
    ],
)
def test_in_full_precision__raises_half_precision_only(dtype, expected):
    assert in_full_precision(torch.ones(2, dtype=dtype)).dtype == expected


def test_outside_autocast__keeps_products_in_fp32():
    @outside_autocast
    def product(x):
        return x @ x

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert product(torch.ones(2, 2)).dtype == torch.float32
        assert product(x=torch.ones(2, 2)).dtype == torch.float32

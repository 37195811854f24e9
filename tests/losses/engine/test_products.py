import torch

from medvlp.losses.engine.products import (
    accumulate_product,
    logits_dtype,
    operand_dtype,
    scaled_product,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_dtypes__are_at_least_fp32_and_bf16_operands_stay_on_a_gpu():
    assert logits_dtype(torch.bfloat16) == logits_dtype(torch.float16) == torch.float32
    assert logits_dtype(torch.float64) == torch.float64
    assert operand_dtype(torch.bfloat16, CPU) == torch.float32
    assert operand_dtype(torch.bfloat16, GPU) == torch.bfloat16
    assert operand_dtype(torch.float16, GPU) == torch.float32


def test_scaled_product__overwrites_whatever_was_there():
    x, y = torch.eye(2).double(), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).double()
    out = torch.full((2, 3), torch.nan, dtype=torch.float64)
    scaled_product(x, y, 10.0, out)
    assert out.tolist() == [[10, 30, 50], [20, 40, 60]]


def test_accumulate_product__adds():
    total = torch.ones(1, 2)
    accumulate_product(total, torch.tensor([[2.0, 3.0]]), torch.eye(2))
    assert total.tolist() == [[3.0, 4.0]]

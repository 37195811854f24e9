"""Matrix products whose result is at least fp32, whatever the inputs are.

Half-precision embeddings are raised to fp32 before the product; on a GPU, bf16 operands stay bf16
(their products are exact in fp32) and only the sum is fp32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["accumulate_product", "logits_dtype", "operand_dtype", "scaled_product"]


def logits_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of logits and statistics of a tile: float64 for float64, else fp32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def operand_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the dtype in which embeddings enter the products."""
    if dtype == torch.bfloat16 and device.type == "cuda":
        return dtype
    return logits_dtype(dtype)


def scaled_product(x: Tensor, y: Tensor, scale: float, out: Tensor) -> None:
    """Write ``scale * x @ y.T``; the scale is applied to the fp32 (or float64) sum.

    Args:
        x: Operand, shape ``(r, D)``.
        y: Operand, shape ``(c, D)``.
        scale: Factor.
        out: Shape ``(r, c)``, fp32 or float64, overwritten.
    """
    if x.dtype == out.dtype:
        torch.addmm(out, x, y.t(), beta=0, alpha=scale, out=out)
    else:
        torch.mm(x, y.t(), out_dtype=out.dtype, out=out)
        out.mul_(scale)


def accumulate_product(total: Tensor, weights: Tensor, operand: Tensor) -> None:
    """Add ``weights @ operand`` to a total.

    With a bf16 operand the weights are split in two bf16 parts, which keeps 16 bits of them.

    Args:
        total: Shape ``(m, D)``, fp32 or float64, changed in place.
        weights: Shape ``(m, n)``, dtype of ``total``.
        operand: Shape ``(n, D)``, dtype of ``total``, or bf16 on a GPU.
    """
    if operand.dtype == total.dtype:
        total.addmm_(weights, operand)
        return
    coarse = weights.to(operand.dtype)
    fine = (weights - coarse).to(operand.dtype)
    total.add_(torch.mm(coarse, operand, out_dtype=total.dtype))
    total.add_(torch.mm(fine, operand, out_dtype=total.dtype))

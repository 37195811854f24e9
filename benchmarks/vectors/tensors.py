"""Arrays of a file as tensors, and gradients back as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.vectors.comparison import Tolerance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

__all__ = ["GRADIENTS", "as_leaf", "as_tensor", "gradient"]

_GRADIENT = Tolerance(rtol=1e-7, atol=1e-10)
GRADIENTS = {"grad*": _GRADIENT, "*grad*": _GRADIENT}
"""Tolerance of whatever is named a gradient, computed in float64."""


def as_tensor(values: ArrayLike) -> Tensor:
    """Return an array as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values))


def as_leaf(values: ArrayLike) -> Tensor:
    """Return an array as a tensor that collects a gradient."""
    return as_tensor(values).requires_grad_()


def gradient(loss: Tensor, leaf: Tensor) -> ArrayLike:
    """Return the gradient of a loss; the graph stays."""
    (grad,) = torch.autograd.grad(loss, leaf, retain_graph=True)
    return grad.numpy()

"""Weights of classes by how rare they are.

Letters: N samples, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["inverse_frequency_weights"]


def inverse_frequency_weights(labels: Tensor, num_classes: int, *, power: float = 1.0) -> Tensor:
    """Return a weight for each class that falls with the number of its samples.

    ``w_c = n_c^-p n / sum_k n_k^(1-p)`` over the classes that occur, n the number of labelled
    samples: their mean weight is 1. A class without samples has weight 1.

    Args:
        labels: Class in ``[0, C)`` or -1 for no label, shape ``(N,)``, integer.
        num_classes: Number of classes C.
        power: p: 1 gives all classes the same sum of weights, 0 gives all samples the same weight.

    Returns:
        Shape ``(C,)``, float32.

    Raises:
        ValueError: If a label is no class.

    Source:
        RenalCLIP, arXiv:2508.16569, downstream classifiers (power 1). Changed: normalised to a mean
        of 1 over samples, so that weighted and plain losses are of one size.
    """
    if len(labels) and not (-1 <= int(labels.min()) and int(labels.max()) < num_classes):
        msg = f"labels must be in -1..{num_classes - 1}, got {torch.unique(labels).tolist()}"
        raise ValueError(msg)
    counts = torch.bincount(labels[labels >= 0], minlength=num_classes).double()
    occurs = counts > 0
    if not bool(occurs.any()):
        return torch.ones(num_classes)
    raw = counts.clamp(min=1) ** -power
    mean = (raw * counts).sum() / counts.sum()
    return torch.where(occurs, raw / mean, 1.0).float()

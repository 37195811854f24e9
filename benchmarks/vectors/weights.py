"""Families about editing weights: LiNeS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from medvlp.models.layer_scaling import (
    block_by_substring,
    merge_alpha,
    scale_layers,
    sum_task_vectors,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

__all__ = ["CHECKS"]


def _weights(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    keys = [str(key) for key in arrays["keys"]]
    return {key: torch.from_numpy(arrays[f"{prefix}_{i:02d}"]) for i, key in enumerate(keys)}


def _answer_lines(arrays: Arrays) -> dict[str, ArrayLike]:
    """Scale one fine-tuned model, or the sum of several."""
    num_tasks = sum(name.startswith("theta_task") and name.endswith("_00") for name in arrays)
    base = _weights(arrays, "theta0")
    tuned = [_weights(arrays, f"theta_task{task}") for task in range(num_tasks)]
    vector = sum_task_vectors(base, tuned)
    coefficient = float(arrays["scaling_coefficient"])
    alpha, beta = coefficient, 1 - coefficient
    if num_tasks > 1:
        alpha, beta = merge_alpha(vector, vector, num_tasks), coefficient
    num_blocks = int(arrays["num_blocks"])
    block_of = block_by_substring(num_blocks)
    scaled = scale_layers(base, vector, block_of, num_blocks, alpha=alpha, beta=beta)
    ones = {key: torch.ones((), dtype=torch.float64) for key in base}
    zeros = {key: torch.zeros((), dtype=torch.float64) for key in base}
    factors = scale_layers(zeros, ones, block_of, num_blocks, alpha=alpha, beta=beta)
    norm = sum(float(change.abs().sum()) for change in vector.values())
    answers: dict[str, ArrayLike] = {
        "alpha": alpha,
        "beta": beta,
        "norm_merged": norm,
        "norm_summed": norm,
        "factor_per_key": [float(factor) for factor in factors.values()],
    }
    for index, key in enumerate(base):
        answers[f"merged_task_vector_{index:02d}"] = vector[key].numpy()
        answers[f"theta_out_{index:02d}"] = scaled[key].numpy()
    return answers


CHECKS = {
    "lines": FamilyCheck(
        _answer_lines, ("keys", "num_blocks", "scaling_coefficient", "theta0_*", "theta_task*")
    ),
}

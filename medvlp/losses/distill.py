"""Distillation: keep a student's embeddings near those of a teacher.

Letters: B samples of this rank, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["cosine_distillation_loss", "l1_distillation_loss"]


@outside_autocast
def cosine_distillation_loss(
    student: Tensor, teacher: Tensor, *, weight: Tensor | None = None
) -> Tensor:
    """Average ``1 - cos(student, teacher)``.

    Args:
        student: Shape ``(B, D)``, float, any length; normalised here.
        teacher: Shape ``(B, D)``, float; carries no gradient.
        weight: Weight per sample, shape ``(B,)``, >= 0; divides too.

    Returns:
        Scalar in [0, 2], fp32 or the wider dtype of ``student``.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), a negative weight (MV1853), wrong kinds of numbers (MV1854).

    Source:
        mSTAR (Xu et al. 2025, doi:10.1038/s41467-025-66220-x) teaches its patch encoder by its
        aggregator; the distance is not stated there, cosine and L1 are both offered.
    """
    _check_pair(student, teacher, weight)
    x, y = in_full_precision(student), in_full_precision(teacher.detach())
    losses = 1 - functional.cosine_similarity(x, y, dim=-1, eps=1e-12)
    return joined_mean(losses, _weights(losses, weight))


@outside_autocast
def l1_distillation_loss(
    student: Tensor, teacher: Tensor, *, weight: Tensor | None = None
) -> Tensor:
    """Average the absolute difference, ``mean_i mean_d |student_id - teacher_id|``.

    Args:
        student: Shape ``(B, D)``, float.
        teacher: Shape ``(B, D)``, float; carries no gradient.
        weight: Weight per sample, shape ``(B,)``, >= 0; divides too.

    Returns:
        Scalar >= 0, fp32 or the wider dtype of ``student``.

    Raises:
        LossError: As :func:`cosine_distillation_loss`.

    Source:
        See :func:`cosine_distillation_loss`.
    """
    _check_pair(student, teacher, weight)
    x, y = in_full_precision(student), in_full_precision(teacher.detach())
    losses = (x - y).abs().mean(-1)
    return joined_mean(losses, _weights(losses, weight))


def _check_pair(student: Tensor, teacher: Tensor, weight: Tensor | None) -> None:
    check_shape("student", student, (None, None))
    check_shape("teacher", teacher, student.shape)
    check_dtype("student", student, floating=True)
    check_dtype("teacher", teacher, floating=True)
    checks = [finite("student", student), finite("teacher", teacher)]
    if weight is not None:
        check_shape("weight", weight, (student.shape[0],))
        checks.append(within("weight", weight, 0.0, torch.finfo(torch.float32).max))
    check_rows(student.shape[0], checks)


def _weights(losses: Tensor, weight: Tensor | None) -> Tensor:
    return torch.ones_like(losses) if weight is None else weight

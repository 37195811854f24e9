"""Tiles of a slide whose label is known only as "normal or the slide's diagnosis" (PathPT).

Letters: N tiles of this rank, C tile classes; class 0 is normal, class k is diagnosis k - 1.
A tile label is a class (>= 0), or ``-k`` where either 0 or k may be true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch.nn import functional

from medvlp.distributed import all_reduce_sum
from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean, joined_ratio
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PartialLabelLoss", "partial_label_loss"]


class PartialLabelLoss(NamedTuple):
    """Parts of the loss over tiles; scalars.

    Attributes:
        total: Weighted sum of the parts.
        labelled: Cross-entropy of the tiles whose class is known.
        pseudo: Cross-entropy of the other tiles with their own most likely class.
        candidate: Negative logarithm of "one of the two" for the other tiles.
        pseudo_share: Share of the other tiles that took part in ``pseudo``; detached.
    """

    total: Tensor
    labelled: Tensor
    pseudo: Tensor
    candidate: Tensor
    pseudo_share: Tensor


@outside_autocast
def partial_label_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    with_pseudo: bool,
    balanced: bool = False,
    pseudo_weight: float = 0.5,
    candidate_weight: float | Literal["share"] = 0.1,
    epsilon: float = 0.0,
) -> PartialLabelLoss:
    """Train on sure tiles by cross-entropy and on the others by "normal or the diagnosis".

    ``total = labelled + pseudo_weight * pseudo + candidate_weight * candidate`` with, over the
    tiles of all ranks,

    - labelled: mean cross-entropy of tiles with label >= 0 (``balanced``: the mean over the classes
      that occur of each class's mean);
    - candidate: mean of ``-log(p_0 + p_k + epsilon)`` over tiles with label ``-k``;
    - pseudo: mean cross-entropy with the tile's own most likely class, over tiles with label ``-k``
      whose most likely class is 0 or k.

    Args:
        logits: Shape ``(N, C)``, float; class 0 is normal.
        labels: Class of a sure tile, ``-k`` of an unsure one, shape ``(N,)``, integer in
            ``(-C, C)``.
        with_pseudo: Whether the pseudo term counts; PathPT begins with epoch 10.
        balanced: Whether every class that occurs weighs the same.
        pseudo_weight: Weight of the pseudo term, >= 0.
        candidate_weight: Weight of the candidate term, >= 0, or ``share``: the share of tiles
            whose label is not sure.
        epsilon: Added inside the candidate's logarithm; the published value is 1e-8, 0 needs none.

    Returns:
        The total and its parts; a part without tiles is 0.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), labels that no class has (MV1853), wrong kinds of numbers (MV1854).

    Source:
        PathPT (MAGIC-AI4Med), its semi-supervised tile loss; ``candidate_weight='share'`` without
        pseudo-labels is its calibrated variant.
    """
    check_shape("logits", logits, (None, None))
    check_shape("labels", labels, logits.shape[:1])
    check_dtype("labels", labels, floating=False)
    highest = logits.shape[1] - 1
    counts = check_rows(
        logits.shape[0], [finite("logits", logits), within("labels", labels, -highest, highest)]
    )
    log_p = in_full_precision(logits).log_softmax(-1)
    unsure = labels < 0
    labelled = _labelled_loss(log_p, labels.clamp(min=0).long(), ~unsure, balanced=balanced)
    k = (-labels).clamp(min=0).long()
    candidate = joined_mean(_candidate_losses(log_p, k, epsilon), unsure)
    winner = log_p.argmax(-1)
    fits = unsure & ((winner == 0) | (winner == k))
    pseudo = joined_mean(-log_p.gather(-1, winner.unsqueeze(-1)).squeeze(-1), fits & with_pseudo)
    shares = all_reduce_sum(torch.stack([unsure.sum(), (fits & with_pseudo).sum()]).to(log_p.dtype))
    weight = shares[0] / sum(counts) if candidate_weight == "share" else candidate_weight
    total = labelled + pseudo_weight * pseudo + weight * candidate
    return PartialLabelLoss(total, labelled, pseudo, candidate, shares[1] / shares[0].clamp(min=1))


def _labelled_loss(log_p: Tensor, target: Tensor, is_sure: Tensor, *, balanced: bool) -> Tensor:
    losses = functional.nll_loss(log_p, target, reduction="none")
    if not balanced:
        return joined_mean(losses, is_sure)
    zeros = log_p.new_zeros(log_p.shape[1])
    sure = is_sure.to(log_p.dtype)
    numbers = zeros.index_add(0, target, sure)
    class_means = joined_ratio(zeros.index_add(0, target, losses * sure), numbers)
    return class_means.sum() / (all_reduce_sum(numbers) > 0).sum().clamp(min=1)


def _candidate_losses(log_p: Tensor, k: Tensor, epsilon: float) -> Tensor:
    either = torch.logaddexp(log_p[:, 0], log_p.gather(-1, k.unsqueeze(-1)).squeeze(-1))
    if epsilon > 0:
        either = torch.logaddexp(either, torch.log(either.new_tensor(epsilon)))
    return -either

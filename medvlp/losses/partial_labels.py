"""Tiles of a slide whose label is known only as "normal or the slide's diagnosis" (PathPT).

Letters: N tiles of this rank, C tile classes; class 0 is normal, class k is diagnosis k - 1.
A tile label is a class (>= 0), or ``-k`` where either 0 or k may be true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch.nn import functional

from medvlp.distributed import all_reduce_sum
from medvlp.errors import LossError
from medvlp.losses.checks import EMPTY, check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean, joined_ratio
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PartialLabelLoss", "SlideVote", "partial_label_loss", "tile_labels", "vote_slide_label"]


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


class SlideVote(NamedTuple):
    """What the tiles of a slide vote for.

    Attributes:
        diagnosis: Winning diagnosis, 0-based without the normal class.
        confidence: Share of the votes for it, in [0, 1].
    """

    diagnosis: int
    confidence: float


def vote_slide_label(logits: Tensor, *, break_ties: bool = True) -> SlideVote:
    """Let the tiles of one slide vote for a diagnosis.

    Each tile votes for its most likely class; votes for normal do not count. Where nothing is left
    or two diagnoses share the maximum, every tile votes for its most likely diagnosis instead.

    Args:
        logits: Shape ``(N, C)``, float, N >= 1, C >= 2; class 0 is normal.
        break_ties: Whether the second vote is held; without it, the first diagnosis among equals
            wins, the first of all where nothing was voted for.

    Returns:
        The diagnosis and its share of the votes counted last (0 where there was none).

    Raises:
        LossError: If the shape is not ``(N, C)`` (MV1850), or no tile was given (MV1851).

    Source:
        PathPT (MAGIC-AI4Med), the selection of slide labels from zero-shot tiles.
    """
    check_shape("logits", logits, (None, None))
    num_diagnoses = logits.shape[1] - 1
    if logits.shape[0] == 0:
        raise LossError(EMPTY, "the slide holds no tiles", expected="one tile at least")
    winners = logits.argmax(-1)
    votes = torch.bincount(winners[winners > 0] - 1, minlength=num_diagnoses)
    is_decided = int((votes == votes.max()).sum()) == 1
    if break_ties and not is_decided:
        votes = torch.bincount(logits[:, 1:].argmax(-1), minlength=num_diagnoses)
    diagnosis = int(votes.argmax())
    return SlideVote(diagnosis, int(votes[diagnosis]) / max(int(votes.sum()), 1))


def tile_labels(logits: Tensor, diagnosis: int, threshold: float) -> Tensor:
    """Label the tiles of a slide of known diagnosis, where they are sure.

    With ``p = softmax(logits)`` and ``k = diagnosis + 1``: 0 where normal is most likely and
    ``p_0 > threshold``, k where k is most likely and ``p_k > threshold``, else ``-k``.

    Args:
        logits: Shape ``(N, C)``, float; class 0 is normal.
        diagnosis: Diagnosis of the slide, 0-based without the normal class.
        threshold: Probability that a sure tile exceeds, in [0, 1).

    Returns:
        Shape ``(N,)``, int64.

    Raises:
        LossError: If the shape is not ``(N, C)`` (MV1850).
        ValueError: If there is no such diagnosis.

    Source:
        PathPT (MAGIC-AI4Med), pseudo-labels of tiles.
    """
    check_shape("logits", logits, (None, None))
    k = diagnosis + 1
    if not 1 <= k < logits.shape[1]:
        msg = f"diagnosis must be in [0, {logits.shape[1] - 1}), got {diagnosis}"
        raise ValueError(msg)
    largest, winner = in_full_precision(logits).softmax(-1).max(-1)
    is_sure = (largest > threshold) & ((winner == 0) | (winner == k))
    return torch.where(is_sure, winner, -k)


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
        labels: As :func:`tile_labels` gives them, shape ``(N,)``, integer in ``(-C, C)``.
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

"""Losses on what a query decoder says about each finding of an image (MedKLIP, KAD, MAVL, DeViDe).

Letters: B images of this rank, Q queries (findings), A locations, K candidates per query, E width.
Labels: 1 present, 0 absent, anything negative not mentioned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from medvlp.losses.checks import Check, check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Unmentioned", "location_contrast_loss", "query_bce_loss", "query_pair_loss"]

Unmentioned = Literal["ignore", "absent"]


@outside_autocast
def query_bce_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    unmentioned: Unmentioned = "ignore",
    positive_weight: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Score each query by binary cross-entropy, over what the report mentions.

    With ``p = sigmoid(z)``, the mean over all images b and queries q with a label of
    ``-c_q y log p - (1 - y) log(1 - p)``; the mean is taken over the joined batch, so an image
    with many mentioned findings weighs more than one with few.

    Args:
        logits: One logit of presence per query, shape ``(B, Q)``, float.
        labels: 1 present, 0 absent, negative not mentioned, shape ``(B, Q)``, integer.
        unmentioned: Leave findings that the report does not mention out, or take them as absent.
        positive_weight: Factor ``c_q`` on the present term, shape ``(Q,)``, > 0; 1 by default.
        weight: Weight per image, shape ``(B,)``, >= 0; divides too, so that it forms a mean.

    Returns:
        Mean loss, scalar, fp32 or the wider dtype of ``logits``; 0 where nothing is mentioned.

    Raises:
        LossError: If shapes differ (MV1850), nothing is in the batch (MV1851), a logit is not
            finite (MV1852), a label is above 1 (MV1853) or not an integer (MV1854).

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, the term ``L_bce``; the masked mean follows the
        rule of MedKLIP for findings that are not mentioned.
    """
    _check_labels(logits, labels, weight, trailing=())
    if positive_weight is not None:
        check_shape("positive_weight", positive_weight, (logits.shape[1],))
    z = in_full_precision(logits)
    target = (labels > 0).to(z.dtype)
    factor = None if positive_weight is None else positive_weight.to(z)
    losses = functional.binary_cross_entropy_with_logits(
        z, target, pos_weight=factor, reduction="none"
    )
    return joined_mean(losses, _entry_weights(labels, unmentioned, weight, z.dtype))


@outside_autocast
def query_pair_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    unmentioned: Unmentioned = "ignore",
    weight: Tensor | None = None,
) -> Tensor:
    """Score each query by cross-entropy between an absent and a present logit.

    The mean over entries with label 0 or 1 of ``-log softmax(z)_y``, which for two classes is
    ``softplus(z_other - z_y)``.

    Args:
        logits: Column 0 absent, column 1 present, shape ``(B, Q, 2)``, float.
        labels: 1 present, 0 absent, anything else not mentioned, shape ``(B, Q)``, integer.
        unmentioned: Leave findings that the report does not mention out, or take them as absent.
        weight: Weight per image, shape ``(B,)``, >= 0.

    Returns:
        Mean loss, scalar, fp32 or the wider dtype of ``logits``; 0 where nothing is mentioned.

    Raises:
        LossError: As :func:`query_bce_loss`; labels above 2 are refused (MV1853), 2 means that
            presence is uncertain and counts as not mentioned.

    Source:
        Wu et al. 2023 (MedKLIP), arXiv:2301.02228, the term ``L_ce``; Zhang et al. 2023 (KAD),
        arXiv:2302.14042, takes what is not mentioned as absent.
    """
    _check_labels(logits, labels, weight, trailing=(2,))
    z = in_full_precision(logits)
    margin = z[..., 1] - z[..., 0]
    losses = functional.softplus(torch.where(labels == 1, -margin, margin))
    return joined_mean(losses, _entry_weights(labels, unmentioned, weight, z.dtype))


@outside_autocast
def location_contrast_loss(
    queries: Tensor,
    locations: Tensor,
    candidates: Tensor,
    labels: Tensor,
    *,
    scale: float = 1.0,
    normalize: bool = False,
) -> Tensor:
    """Ask each present finding to tell its location from other locations.

    For present (b, q): ``-log softmax_k(scale <u_bq, a_k>)`` at ``k = 0``, where ``a_k`` are the K
    candidate locations and the first is the true one; the mean over the present findings of the
    joined batch.

    Args:
        queries: Decoder outputs in the space of the location texts, shape ``(B, Q, E)``, float.
        locations: Text embeddings of all locations, shape ``(A, E)``, float.
        candidates: Rows of ``locations``, the true one first, shape ``(B, Q, K)``, int64 in
            ``[0, A)``; read where the label is 1 only.
        labels: 1 present, anything else left out, shape ``(B, Q)``, integer.
        scale: Factor on the scores, > 0 (1/temperature). The published form has 1.
        normalize: Whether to take cosines; the published form takes plain products.

    Returns:
        Mean loss, scalar, fp32 or the wider dtype of ``queries``; 0 where nothing is present.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), candidates that no location has (MV1853), wrong kinds of numbers (MV1854).

    Source:
        Wu et al. 2023 (MedKLIP), arXiv:2301.02228, the term ``L_cl``. A batch without a present
        finding gives 0 here and NaN in the released program.
    """
    rows, num_queries, width = queries.shape if queries.ndim == 3 else (None, None, None)
    check_shape("queries", queries, (None, None, None))
    check_shape("locations", locations, (None, width))
    check_shape("candidates", candidates, (rows, num_queries, None))
    check_shape("labels", labels, (rows, num_queries))
    check_dtype("candidates", candidates, floating=False)
    check_dtype("labels", labels, floating=False)
    present = labels == 1
    chosen = torch.where(present.unsqueeze(-1), candidates, 0)
    check_rows(
        queries.shape[0],
        [
            finite("queries", queries),
            finite("locations", locations),
            within("candidates", chosen, 0, locations.shape[0] - 1),
        ],
    )
    u, a = in_full_precision(queries), in_full_precision(locations)
    if normalize:
        u, a = functional.normalize(u, dim=-1), functional.normalize(a, dim=-1)
    scores = (scale * (u @ a.T)).gather(-1, chosen)
    return joined_mean(scores.logsumexp(-1) - scores[..., 0], present)


def _check_labels(
    logits: Tensor, labels: Tensor, weight: Tensor | None, trailing: tuple[int, ...]
) -> None:
    check_shape("logits", logits, (None, None, *trailing))
    check_shape("labels", labels, logits.shape[:2])
    check_dtype("logits", logits, floating=True)
    check_dtype("labels", labels, floating=False)
    highest = 2 if trailing else 1
    checks: list[Check] = [
        finite("logits", logits),
        within("labels", labels, torch.iinfo(torch.int64).min, highest),
    ]
    if weight is not None:
        check_shape("weight", weight, (logits.shape[0],))
        checks.append(within("weight", weight, 0.0, torch.finfo(torch.float32).max))
    check_rows(logits.shape[0], checks)


def _entry_weights(
    labels: Tensor, unmentioned: Unmentioned, weight: Tensor | None, dtype: torch.dtype
) -> Tensor:
    counted = torch.ones_like(labels, dtype=torch.bool)
    if unmentioned == "ignore":
        counted = (labels == 0) | (labels == 1)
    entries = counted.to(dtype)
    return entries if weight is None else entries * weight.to(dtype).unsqueeze(1)

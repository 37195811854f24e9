"""The InfoNCE family: CLIP, several positives, masked negatives, soft targets.

All functions take embeddings of this rank and return the value on the joined batch of all ranks,
the same on every rank; averaged over ranks (as DDP does), gradients are those of the joined batch.
Memory is O(B D) plus one tile, or plus the logits of this rank where those fit the budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import softplus

from medvlp.distributed import all_gather_with_grad, all_reduce_sum
from medvlp.losses.checks import Check, check_rows
from medvlp.losses.engine.anchors import anchor_mean
from medvlp.losses.engine.functions import pair_statistics
from medvlp.losses.engine.inputs import NoPositive, check_positives, join_pairs
from medvlp.losses.engine.positives import LINEAR_ABOVE
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.precision import in_full_precision, outside_autocast
from medvlp.losses.relations import PairRelation
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.functions import SideStatistics
    from medvlp.losses.engine.positives import PositiveKind

__all__ = ["Positives", "info_nce_loss", "soft_target_loss"]

Positives = Literal["outside", "inside", "decoupled"]

_STATISTICS: dict[Positives, tuple[PositiveKind, ...]] = {
    "outside": ("largest", "mean"),
    "inside": ("largest",),
    "decoupled": ("each",),
}


@outside_autocast
def info_nce_loss(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    relation: PairRelation | None = None,
    *,
    positives: Positives = "outside",
    no_positive: NoPositive = "refuse",
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute the symmetric InfoNCE loss with one or several positives per anchor.

    With ``z_ij = s <image_i, text_j>``, P(i) the positives of anchor i, A(i) all pairs that are not
    ignored, N(i) = A(i) without P(i)::

        outside    L_i = log sum_A exp(z_ij) - 1/|P| sum_P z_ip
        inside     L_i = log sum_A exp(z_ij) - log sum_P exp(z_ip)
        decoupled  L_i = 1/|P| sum_P softplus(log sum_N exp(z_ij) - z_ip)

    The loss is the mean of the weighted means over images (rows) and over texts (columns). With one
    positive and nothing ignored all three are CLIP's loss.

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point.
        text: Text embeddings of this rank, L2-normalised, shape ``(b_y, D)``, same dtype.
        logit_scale: Factor s of the cosines (1/temperature), scalar, floating point.
        relation: Group ids, ignored concepts and weights; ``None``: CLIP, image i with text i.
        positives: Where the positives stand.
        no_positive: Whether anchors without a positive are refused, or skipped and counted.
        unit: Whether embeddings must be of unit length; if not, z is the scaled inner product.
        settings: How to compute; no influence on the result beyond rounding.

    Returns:
        ``total`` in fp32 (float64 for float64 embeddings); terms ``image_to_text``,
        ``text_to_image``, ``without_positive`` (number of skipped anchors, both sides).

    Raises:
        LossError: If the inputs do not fit, see :func:`~medvlp.losses.engine.inputs.join_pairs`, or
            an anchor without a positive is refused (MV1855).

    Source:
        Radford et al. 2021, arXiv:2103.00020, figure 3 (one positive). Khosla et al. 2020,
        arXiv:2004.11362, eq. 2 (outside). Miech et al. 2020, arXiv:1912.06430, eq. 1 (inside).
        Decoupled: softmax cross-entropy of one positive at a time against the negatives alone.
        Changed: ignored pairs, anchor weights.
    """
    settings = settings or EngineSettings()
    pairs = join_pairs(image, text, logit_scale, relation, settings, unit=unit)
    has_x, has_y = check_positives(pairs, no_positive)
    rows, columns = pair_statistics(
        image,
        text,
        logit_scale,
        pairs=pairs,
        settings=settings,
        positives=_STATISTICS[positives],
    )
    return _report(
        anchor_mean(_anchor_losses(rows, positives, has_x), pairs.weight_x * has_x),
        anchor_mean(_anchor_losses(columns, positives, has_y), pairs.weight_y * has_y),
        dtype=logits_dtype(image.dtype),
        without_positive=(~has_x).sum() + (~has_y).sum(),
    )


@outside_autocast
def soft_target_loss(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    targets: Tensor,
    targets_by_text: Tensor | None = None,
    *,
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute the symmetric cross-entropy against given soft targets.

    ``L = 1/2 [ -1/B_x sum_ij t_ij log softmax_j(z)_ij - 1/B_y sum_ij t'_ij log softmax_i(z)_ij ]``

    Targets need not sum to 1. They are the only matrix over pairs, and the caller's: where targets
    follow from group ids, :func:`info_nce_loss` needs none.

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point.
        text: Text embeddings of this rank, L2-normalised, shape ``(b_y, D)``, same dtype.
        logit_scale: Factor of the cosines, scalar, floating point.
        targets: t, rows of this rank against the texts of all ranks in their order, shape
            ``(b, B_y)``, floating point, >= 0.
        targets_by_text: t', same layout; ``None``: the same as t.
        unit: Whether embeddings must be of unit length.
        settings: How to compute.

    Returns:
        ``total``; terms ``image_to_text`` and ``text_to_image``.

    Raises:
        LossError: If the inputs do not fit (MV1801, MV1802, MV1850 to MV1854).

    Source:
        Cross-entropy with a target distribution; as in fVLM (arXiv:2501.14548) and KAD
        (arXiv:2302.14042) stage 1.
    """
    settings = settings or EngineSettings()
    pairs = join_pairs(image, text, logit_scale, _no_positives(image, text), settings, unit=unit)
    targets_by_text = targets if targets_by_text is None else targets_by_text
    by_row, by_column = _checked_targets(
        image, pairs.num_y, targets=targets, targets_by_text=targets_by_text
    )
    rows, columns = pair_statistics(
        image, text, logit_scale, pairs=pairs, settings=settings, positives=()
    )
    x = in_full_precision(image)
    y = all_gather_with_grad(in_full_precision(text), pairs.counts_y)
    mass_x = all_gather_with_grad(by_row.sum(dim=1).double(), pairs.counts_x)
    mass_y = all_reduce_sum(by_column.sum(dim=0).double())
    matched = [(x * (t @ y)).sum(dim=1).double().sum() for t in (by_row, by_column)]
    pulls = all_reduce_sum(torch.stack(matched)) * logit_scale
    return _report(
        ((mass_x * rows.negatives).sum() - pulls[0]) / pairs.num_x,
        ((mass_y * columns.negatives).sum() - pulls[1]) / pairs.num_y,
        dtype=x.dtype,
    )


def _anchor_losses(side: SideStatistics, positives: Positives, has_positive: Tensor) -> Tensor:
    """Return L_i per anchor, shape ``(B,)``; 0 without a positive.

    With the negatives' n = log sum_N exp(z) and the positives' l = log sum_P exp(z),
    ``log sum_A exp(z) - l = softplus(n - l)``: no digit is lost where the loss is near zero.
    """
    if positives == "decoupled":
        return side.positives[0]
    largest = torch.where(has_positive, side.positives[0], 0.0)
    loss = softplus(side.negatives - largest, threshold=LINEAR_ABOVE)
    return loss if positives == "inside" else loss + (largest - side.positives[1])


def _report(rows: Tensor, columns: Tensor, *, dtype: torch.dtype, **counts: Tensor) -> LossReport:
    total = ((rows + columns) / 2).to(dtype)
    terms = {"image_to_text": rows.detach(), "text_to_image": columns.detach(), **counts}
    return LossReport(total, terms)


def _no_positives(image: Tensor, text: Tensor) -> PairRelation:
    """Return groups that no image shares with a text: soft targets take the place of positives."""
    group = torch.zeros(image.shape[:1], dtype=torch.int64, device=image.device)
    group_y = torch.ones(text.shape[:1], dtype=torch.int64, device=text.device)
    return PairRelation(group=group, group_y=group_y)


def _checked_targets(image: Tensor, num_columns: int, **targets: Tensor) -> list[Tensor]:
    """Refuse targets of the wrong shape or with negative values, on all ranks together."""
    shape = (image.shape[0], num_columns)
    checks = []
    for name, values in targets.items():
        fits = values.shape == shape and values.is_floating_point()
        code, found = (
            ("MV1853", "negative values") if fits else ("MV1850", "another shape or dtype")
        )
        bad = (values < 0).any() if fits else torch.ones((), dtype=torch.bool, device=image.device)
        expected = f"floating point (rows of the rank, {num_columns}), at least 0"
        checks.append(Check(code=code, bad=bad, what=f"{name} has {found}", expected=expected))
    check_rows(image.shape[0], checks)
    return [values.detach().to(logits_dtype(image.dtype)) for values in targets.values()]

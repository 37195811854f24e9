"""AdaSP: metric learning on one set of embeddings with the least hard positive of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import normalize, softplus

from medvlp.errors import LossError
from medvlp.losses.engine.anchors import anchor_mean, group_logsumexp, group_mean
from medvlp.losses.engine.functions import pair_statistics
from medvlp.losses.engine.inputs import join_pairs
from medvlp.losses.engine.positives import LINEAR_ABOVE
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.precision import in_full_precision, outside_autocast
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.relations import PairRelation

__all__ = ["AdaspTerms", "AdaspVariant", "adasp_loss", "adasp_terms"]

AdaspVariant = Literal["sp-h", "sp-lh", "adasp"]


@dataclass(frozen=True)
class AdaspTerms:
    """What AdaSP is made of, per group of the joined batch; shape ``(G,)``, float64.

    Attributes:
        hardest: log H, of the hardest positive.
        least_hard: log L, of the least hard positive.
        negatives: log N; -inf where everything else is ignored.
        alpha: Share of the hardest positive in the adaptive form, without gradient.
        weight: Weight of the group.
    """

    hardest: Tensor
    least_hard: Tensor
    negatives: Tensor
    alpha: Tensor
    weight: Tensor


@outside_autocast
def adasp_loss(
    features: Tensor,
    scale: Tensor,
    relation: PairRelation,
    *,
    variant: AdaspVariant = "adasp",
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute the adaptive sparse pairwise loss of one set of embeddings.

    With u the normalised embeddings, ``z_ab = s <u_a, u_b>`` (a = b included) and LSE = log sum
    exp, for a group g::

        log H_g = -LSE_{a, b in g} (-z_ab)              hardest positive
        log L_g = LSE_{a in g} ( -LSE_{b in g} (-z_ab) )    least hard positive
        log N_g = LSE_{a in g, b not in g} z_ab         negatives
        log P_g = log H_g (sp-h), log L_g (sp-lh), or alpha_g log H_g + (1 - alpha_g) log L_g
        L       = mean_g softplus(log N_g - log P_g)

    with ``alpha = 2 h l / (h + l)`` for ``h = log H / s``, ``l = log L / s``, 0 where h < 0; alpha
    is held constant in the gradient.

    Args:
        features: Embeddings of this rank, any length, shape ``(b, D)``, floating point; normalised
            here.
        scale: Factor s of the cosines (1/temperature), scalar, floating point, > 0.
        relation: Group ids (required; any order, groups may be unequal and spread over ranks),
            ignored concepts, weights (a group's weight is the mean over its members).
        variant: Which positive.
        settings: How to compute.

    Returns:
        ``total`` in fp32 (float64 for float64 embeddings); term ``alpha`` (mean over groups).

    Raises:
        LossError: If group ids are missing (MV1803) or the inputs do not fit (MV1802, MV1803,
            MV1850 to MV1854).

    Source:
        Zhou et al. 2023, arXiv:2303.18247, eqs. 3 to 8 (AdaSP); the self-similarity in the sums as
        in the training program of KEP (arXiv:2404.09942). Changed: groups are found by their ids,
        not by position.
    """
    terms = adasp_terms(features, scale, relation, settings=settings)
    alpha = terms.alpha
    if variant != "adasp":
        alpha = torch.full_like(alpha, 1.0 if variant == "sp-h" else 0.0)
    positive = alpha * terms.hardest + (1 - alpha) * terms.least_hard
    loss = softplus(terms.negatives - positive, threshold=LINEAR_ABOVE)
    total = anchor_mean(loss, terms.weight).to(logits_dtype(features.dtype))
    return LossReport(total, {"alpha": anchor_mean(alpha, terms.weight)})


@outside_autocast
def adasp_terms(
    features: Tensor,
    scale: Tensor,
    relation: PairRelation,
    *,
    settings: EngineSettings | None = None,
) -> AdaspTerms:
    """Compute the positives and negatives of every group, in the order of the sorted group ids.

    Args:
        features: Embeddings of this rank, any length, shape ``(b, D)``, floating point; normalised
            here.
        scale: Factor of the cosines, scalar, floating point, > 0.
        relation: Group ids (required), ignored concepts, weights.
        settings: How to compute.

    Raises:
        LossError: As :func:`adasp_loss`.

    Source:
        As :func:`adasp_loss`.
    """
    settings = settings or EngineSettings()
    if relation.group is None or relation.group_y is not None:
        raise LossError("MV1803", "AdaSP needs one set of group ids", expected="relation.group")
    u = normalize(in_full_precision(features), eps=1e-12)
    pairs = join_pairs(u, u, scale, relation, settings, unit=False)
    (rows,) = pair_statistics(
        u,
        u,
        scale,
        pairs=pairs,
        settings=settings,
        positives=("smallest",),
        with_columns=False,
    )
    group, _, count = pairs.dense_groups()
    hardest = -group_logsumexp(rows.positives[0], group, count)
    least_hard = group_logsumexp(-rows.positives[0], group, count)
    return AdaspTerms(
        hardest=hardest,
        least_hard=least_hard,
        negatives=group_logsumexp(rows.negatives, group, count),
        alpha=_alpha(hardest.detach() / scale.detach(), least_hard.detach() / scale.detach()),
        weight=group_mean(pairs.weight_x, group, count),
    )


def _alpha(h: Tensor, least: Tensor) -> Tensor:
    """Return ``2 h l / (h + l)``, 0 where h is negative."""
    is_hard = h > 0
    both = torch.where(is_hard, h + least, 1.0)
    return torch.where(is_hard, 2 * h * least / both, 0.0)

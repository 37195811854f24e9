"""KEEP's semantic-group loss with false-negative elimination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import normalize, softplus

from medvlp.errors import LossError
from medvlp.losses.engine.anchors import anchor_mean, group_logsumexp, group_mean
from medvlp.losses.engine.functions import pair_statistics
from medvlp.losses.engine.group_statistics import group_statistics
from medvlp.losses.engine.inputs import NoPositive, check_positives, join_pairs
from medvlp.losses.engine.positives import LINEAR_ABOVE
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.precision import in_full_precision, outside_autocast
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.statistics import Ignored
    from medvlp.losses.relations import PairRelation

__all__ = ["GroupVariant", "semantic_group_loss"]

GroupVariant = Literal["lhp-hn", "hp-hn", "hp-lhn", "lhp-lhn"]


@outside_autocast
def semantic_group_loss(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    relation: PairRelation,
    *,
    variant: GroupVariant = "lhp-hn",
    ignored: Ignored = "remove",
    no_positive: NoPositive = "refuse",
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute KEEP's loss between semantic groups of images and texts.

    With ``z_ij = s cos(image_i, text_j)`` and LSE = log sum exp, for a group g::

        log P_g = LSE_{i in g} ( -LSE_{j in g} (-z_ij) )        lhp: least hard positive
        log P_g = -LSE_{i, j in g} (-z_ij)                      hp:  hardest positive
        log N_g = LSE_{i in g, j not in g} z_ij                 hn:  hardest negative
        log N_g = LSE_{h != g} ( -LSE_{i in g} (-LSE_{j in h} z_ij) )    lhn: least hard negative
        L       = mean_g softplus(log N_g - log P_g)

    and the same with the roles of image and text exchanged; the loss is the mean of both. Pairs of
    related concepts in different groups are false negatives and are left out of N.

    Memory of ``hp-lhn`` and ``lhp-lhn`` is samples times groups; that of the others as of
    :func:`~medvlp.losses.contrastive.info_nce_loss`.

    Args:
        image: Image embeddings of this rank, any length, shape ``(b, D)``, floating point;
            normalised here.
        text: Text embeddings of this rank, shape ``(b_y, D)``, same dtype; normalised here.
        logit_scale: Factor s of the cosines (1/temperature), scalar, floating point.
        relation: Group ids (required; groups may be unequal and spread over ranks), ignored
            concepts, weights (a group's weight is the mean over its members).
        variant: Which positive and negative.
        ignored: ``remove`` false negatives, or ``replace`` their cosine by -1 as published (the
            difference shows at scales below about 10).
        no_positive: Whether a group without an image or without a text is refused, or skipped and
            counted; its members stay negatives of other groups.
        settings: How to compute.

    Returns:
        ``total`` in fp32 (float64 for float64 embeddings); terms ``image_to_text``,
        ``text_to_image``, ``without_positive`` (number of skipped groups).

    Raises:
        LossError: If group ids are missing (MV1803), the inputs do not fit (MV1802, MV1803, MV1850
            to MV1854), or an incomplete group is refused (MV1855).

    Source:
        Zhou et al. 2024, arXiv:2412.13126 (KEEP), the loss of the released training program in
        closed form; S+ and S- of the paper are its limits at a large scale. Changed: false
        negatives are removed, groups may be unequal, exponentials are never formed.
    """
    settings = settings or EngineSettings()
    if relation.group is None:
        raise LossError("MV1803", "the group loss needs group ids", expected="relation.group")
    x = normalize(in_full_precision(image), eps=1e-12)
    y = normalize(in_full_precision(text), eps=1e-12)
    scale = logit_scale.double()  # used up to three times: its gradient is summed before it is cast
    pairs = join_pairs(x, y, scale, relation, settings, unit=False)
    check_positives(pairs, no_positive)
    rows, columns = pair_statistics(
        x,
        y,
        scale,
        pairs=pairs,
        positives=("smallest",),
        settings=settings,
        ignored=ignored,
    )
    groups_x, groups_y = _Groups.of(pairs, variant)
    if variant in ("hp-lhn", "lhp-lhn"):
        other = pairs.swapped()
        negatives_x = groups_x.negative(
            group_statistics(x, y, scale, pairs=pairs, settings=settings, ignored=ignored)
        )
        negatives_y = groups_y.negative(
            group_statistics(y, x, scale, pairs=other, settings=settings, ignored=ignored)
        )
    else:
        negatives_x, negatives_y = (
            groups_x.reduce(rows.negatives),
            groups_y.reduce(columns.negatives),
        )
    by_image = groups_x.mean_loss(negatives_x, groups_x.positive(rows.positives[0]))
    by_text = groups_y.mean_loss(negatives_y, groups_y.positive(columns.positives[0]))
    terms = {
        "image_to_text": by_image.detach(),
        "text_to_image": by_text.detach(),
        "without_positive": (~groups_x.is_whole).sum(),
    }
    return LossReport(((by_image + by_text) / 2).to(logits_dtype(image.dtype)), terms)


@dataclass(frozen=True)
class _Groups:
    """The groups as one direction sees them: its anchors are the rows of x, or those of y.

    Attributes:
        group: Group of each anchor, shape ``(n,)``, int64.
        count: Number of groups G.
        weight: Weight of each group, shape ``(G,)``, float64; 0 for a group that is not whole.
        is_whole: Which groups have members on both sides, shape ``(G,)``, bool.
        variant: Which positive and negative.
    """

    group: Tensor
    count: int
    weight: Tensor
    is_whole: Tensor
    variant: GroupVariant

    @classmethod
    def of(cls, pairs: JoinedPairs, variant: GroupVariant) -> tuple[_Groups, _Groups]:
        """Return the groups with anchors in x and with anchors in y."""
        dense_x, dense_y, count = pairs.dense_groups()
        sizes = [torch.bincount(group, minlength=count) for group in (dense_x, dense_y)]
        is_whole = (sizes[0] > 0) & (sizes[1] > 0)
        weight_x = group_mean(pairs.weight_x, dense_x, count) * is_whole
        weight_y = group_mean(pairs.weight_y, dense_y, count) * is_whole
        return (
            cls(dense_x, count, weight_x, is_whole, variant),
            cls(dense_y, count, weight_y, is_whole, variant),
        )

    def reduce(self, values: Tensor) -> Tensor:
        """Return the log-sum-exp of anchors within groups."""
        return group_logsumexp(values, self.group, self.count)

    def positive(self, smallest: Tensor) -> Tensor:
        """Return log P per group from ``LSE_{j in g} (-z_ij)`` per anchor, shape ``(n,)``."""
        smallest = torch.where(torch.isfinite(smallest), smallest, 0.0)  # of a group not whole
        if self.variant in ("lhp-hn", "lhp-lhn"):
            return self.reduce(-smallest)
        return -self.reduce(smallest)

    def negative(self, table: Tensor) -> Tensor:
        """Return log N per group from ``LSE_{j in h} z_ij`` per anchor and group, ``(n, G)``."""
        between = _negated(self.reduce(_negated(table)))
        own = torch.eye(self.count, dtype=torch.bool, device=table.device)
        others = between.masked_fill(own, -torch.inf)
        return group_logsumexp(others.t(), torch.zeros_like(others[0], dtype=torch.int64), 1)[0]

    def mean_loss(self, negative: Tensor, positive: Tensor) -> Tensor:
        """Return the weighted mean over groups of ``softplus(log N - log P)``."""
        gap = torch.where(self.weight > 0, negative - positive, 0.0)
        return anchor_mean(softplus(gap, threshold=LINEAR_ABOVE), self.weight)


def _negated(values: Tensor) -> Tensor:
    """Change the sign, but leave -inf: what is left out stays out."""
    is_set = torch.isfinite(values)
    return torch.where(is_set, -torch.where(is_set, values, 0.0), -torch.inf)

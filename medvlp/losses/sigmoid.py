"""SigLIP's pairwise sigmoid loss, with groups, ignored pairs and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from medvlp.losses.engine.inputs import NoPositive, check_positives, join_pairs
from medvlp.losses.engine.pairwise import sigmoid_sum
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.precision import outside_autocast
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.relations import PairRelation

__all__ = ["sigmoid_loss"]


@outside_autocast
def sigmoid_loss(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor,
    relation: PairRelation | None = None,
    *,
    divide_by: Literal["rows", "pairs"] = "rows",
    no_positive: NoPositive = "skip",
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute the pairwise sigmoid loss.

    With ``z_ij = s <image_i, text_j> + beta`` and l_ij = 1 for positives, -1 for other pairs, m_ij
    = 0 for ignored pairs, else 1, and weights w of images and v of texts::

        c_ij = m_ij softplus(-l_ij z_ij)
        rows   L = 1/2 [ sum_ij w_i c_ij / sum_i w_i + sum_ij v_j c_ij / sum_j v_j ]
        pairs  L = sum_ij (w_i + v_j) c_ij / sum_ij m_ij (w_i + v_j)

    Without weights, and with as many texts as images, ``rows`` is the sum over pairs divided by the
    joined number of rows B, as published, and ``pairs`` is the mean over pairs that count.

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point.
        text: Text embeddings of this rank, L2-normalised, shape ``(b_y, D)``, same dtype.
        logit_scale: Factor s of the cosines, scalar, floating point; published start 10.
        logit_bias: Offset beta, scalar, floating point; published start -10.
        relation: Group ids, ignored concepts and weights; ``None``: image i with text i.
        divide_by: What the sum over pairs is divided by.
        no_positive: Whether rows without a positive are refused; ``skip`` lets them act as
            negatives and counts them.
        unit: Whether embeddings must be of unit length.
        settings: How to compute.

    Returns:
        ``total`` in fp32 (float64 for float64 embeddings); term ``without_positive``.

    Raises:
        LossError: If the inputs do not fit (MV1801 to MV1803, MV1850 to MV1854), or a row without a
            positive is refused (MV1855).

    Source:
        Zhai et al. 2023, arXiv:2303.15343, eq. 1. Changed: several positives, ignored pairs,
        weights.
    """
    settings = settings or EngineSettings()
    pairs = join_pairs(image, text, logit_scale, relation, settings, unit=unit)
    has_x, has_y = check_positives(pairs, no_positive)
    weight_x, weight_y = pairs.weight_x, pairs.weight_y
    if divide_by == "rows":
        weight_x, weight_y = _half_share(weight_x), _half_share(weight_y)
    total, mass = sigmoid_sum(
        image,
        text,
        logit_scale,
        logit_bias,
        weights=(weight_x, weight_y),
        pairs=pairs,
        settings=settings,
    )
    if divide_by == "pairs":
        total = total / torch.where(mass > 0, mass, 1.0)
    missing = (~has_x).sum() + (~has_y).sum()
    return LossReport(total.to(logits_dtype(image.dtype)), {"without_positive": missing})


def _half_share(weight: Tensor) -> Tensor:
    total = weight.sum()
    return weight / (2 * torch.where(total > 0, total, 1.0))

"""Contrast where several samples share one text, label or concept: published forms and better ones.

All are the InfoNCE loss of :mod:`medvlp.losses.contrastive` under another relation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.engine.inputs import join_pairs
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.precision import outside_autocast
from medvlp.losses.relations import PairRelation
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["concept_text_loss", "knowledge_clip_loss", "masked_clip_loss", "report_contrast_loss"]


@outside_autocast
def masked_clip_loss(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    label: Tensor | None = None,
    *,
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute CLIP's loss without the negatives that share the anchor's label.

    ``L_i = log sum_{j: label_j != label_i or j = i} exp(z_ij) - z_ii`` with ``z_ij = s <image_i,
    text_j>``, averaged over images and over texts.

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point.
        text: Their texts, L2-normalised, shape ``(b, D)``, same dtype.
        logit_scale: Factor s of the cosines, scalar, floating point.
        label: Label per pair, shape ``(b,)``, int64; every equal pair is masked, -1 too. ``None``:
            CLIP's loss.
        unit: Whether embeddings must be of unit length.
        settings: How to compute.

    Returns:
        As :func:`~medvlp.losses.contrastive.info_nce_loss`.

    Raises:
        LossError: If the inputs do not fit (MV1801 to MV1803, MV1850 to MV1854).

    Source:
        Zhou et al. 2024, arXiv:2404.09942 (KEP) and arXiv:2412.13126 (KEEP), masked CLIP loss of
        the released programs. Changed: log-sum-exp in place of bare exponentials, which overflow.
    """
    relation = None
    if label is not None:
        # -1 would stand for "no concept"; here it is a label like any other
        concept = torch.where(label == -1, torch.iinfo(torch.int64).min, label)
        relation = PairRelation(concept=concept, ignore_same_concept=True)
    return info_nce_loss(image, text, logit_scale, relation, unit=unit, settings=settings)


@outside_autocast
def knowledge_clip_loss(
    image: Tensor,
    text: Tensor,
    knowledge: Tensor,
    logit_scale: Tensor,
    *,
    weights: tuple[float, float] = (1.0, 0.3),
    label: Tensor | None = None,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute KEP's stage-2 loss: images to texts, and texts to a knowledge encoder's view of them.

    ``L = [w_0 CLIP(image, text) + w_1 CLIP(text, knowledge)] / (w_0 + w_1)``

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point.
        text: Text embeddings, L2-normalised, shape ``(b, D)``, same dtype.
        knowledge: The texts by the frozen knowledge encoder, L2-normalised, shape ``(b, D)``.
        logit_scale: Factor of the cosines, one for both terms, scalar, floating point.
        weights: w_0 and w_1, not both 0.
        label: Where given, both terms are :func:`masked_clip_loss`; shape ``(b,)``, int64.
        settings: How to compute.

    Returns:
        ``total``; terms ``image_text`` and ``text_knowledge``.

    Raises:
        LossError: If the inputs do not fit (MV1801 to MV1803, MV1850 to MV1854).
        ValueError: If a weight is negative or both are 0.

    Source:
        Zhou et al. 2024, arXiv:2404.09942 (KEP), section 3.3.
    """
    if min(weights) < 0 or sum(weights) == 0:
        msg = f"weights must be at least 0 and not both 0, got {weights}"
        raise ValueError(msg)
    first = masked_clip_loss(image, text, logit_scale, label, settings=settings).total
    second = masked_clip_loss(text, knowledge, logit_scale, label, settings=settings).total
    total = (weights[0] * first + weights[1] * second) / sum(weights)
    return LossReport(total, {"image_text": first.detach(), "text_knowledge": second.detach()})


@outside_autocast
def concept_text_loss(
    text: Tensor,
    other: Tensor,
    logit_scale: Tensor,
    concept: Tensor,
    *,
    targets: Literal["probabilities", "column-l2"] = "probabilities",
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute KAD's stage-1 loss between two texts of each concept.

    With m_i samples of the concept of i, soft targets ``t_ij = w_i`` for j of the same concept::

        L_i = -sum_j t_ij log softmax_j(z)_ij       probabilities: w_i = 1/m_i
                                                    column-l2:     w_i = 1/sqrt(m_i)

    averaged over texts and over others. The published targets are columns of unit L2 norm; they do
    not sum to 1, so that a concept weighs more the more often the batch holds it.

    Args:
        text: One text per sample of this rank, L2-normalised, shape ``(b, D)``, floating point.
        other: Another text of the same concept, L2-normalised, shape ``(b, D)``, same dtype.
        logit_scale: Factor of the cosines, scalar, floating point.
        concept: Concept per sample, shape ``(b,)``, int64; give samples whose concept has no
            identifier an id of their own.
        targets: Which soft targets; ``column-l2`` as published.
        unit: Whether embeddings must be of unit length.
        settings: How to compute.

    Returns:
        As :func:`~medvlp.losses.contrastive.info_nce_loss`.

    Raises:
        LossError: If the inputs do not fit (MV1801 to MV1803, MV1850 to MV1854).

    Source:
        Zhang et al. 2023, arXiv:2302.14042 (KAD), stage 1, and its released program.
    """
    settings = settings or EngineSettings()
    relation = PairRelation(group=concept)
    if targets == "probabilities":
        return info_nce_loss(text, other, logit_scale, relation, unit=unit, settings=settings)
    pairs = join_pairs(text, other, logit_scale, relation, settings, unit=unit)
    mass = pairs.num_positives()[0].sqrt()
    own = slice(pairs.offset_x, pairs.offset_x + pairs.num_local_x)
    weighted = replace(relation, weight=mass[own])
    report = info_nce_loss(text, other, logit_scale, weighted, unit=unit, settings=settings)
    # the weighted mean divides by the sum of the masses, the published loss by the batch size
    terms = {**report.terms}
    for name in ("image_to_text", "text_to_image"):
        terms[name] = terms[name] * mass.mean()
    return LossReport(report.total * mass.mean().to(report.total.dtype), terms)


@outside_autocast
def report_contrast_loss(
    image: Tensor,
    report: Tensor,
    logit_scale: Tensor,
    report_id: Tensor,
    *,
    identical: Literal["share", "ignore", "oppose"] = "share",
    unit: bool = True,
    settings: EngineSettings | None = None,
) -> LossReport:
    """Compute RenalCLIP's image-report contrast where many reports read the same.

    A batch of kidneys holds many identical normal reports. CLIP pushes an image away from another
    copy of its own report; here copies can share the target, or be left out.

    Args:
        image: Image embeddings of this rank, L2-normalised, shape ``(b, D)``, floating point. For
            RenalCLIP, all left kidneys and then all right kidneys.
        report: Report embeddings, same order, L2-normalised, shape ``(b, D)``, same dtype.
        logit_scale: Factor of the cosines, scalar, floating point.
        report_id: Equal for identical reports, shape ``(b,)``, int64.
        identical: ``share``: m copies are positives with target 1/m each; ``ignore``: copies are
            no negatives; ``oppose``: copies are negatives, as published.
        unit: Whether embeddings must be of unit length.
        settings: How to compute.

    Returns:
        As :func:`~medvlp.losses.contrastive.info_nce_loss`.

    Raises:
        LossError: If the inputs do not fit (MV1801 to MV1803, MV1850 to MV1854).

    Source:
        Tao et al. 2026, arXiv:2508.16569 (RenalCLIP), stage 2 (``oppose``). Soft targets for
        identical texts as in fVLM, arXiv:2501.14548.
    """
    if identical == "share":
        relation = PairRelation(group=report_id)
        return info_nce_loss(image, report, logit_scale, relation, unit=unit, settings=settings)
    label = report_id if identical == "ignore" else None
    return masked_clip_loss(image, report, logit_scale, label, unit=unit, settings=settings)

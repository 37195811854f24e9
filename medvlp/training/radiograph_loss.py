"""The terms of a batch of radiographs, computed as far as their weights ask for them.

Letters: B images, C findings, n texts of findings, M different ones among them, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_reduce_sum
from medvlp.errors import UsageError
from medvlp.losses.report import LossReport
from medvlp.training.radiograph_terms import (
    classification_loss,
    knowledge_loss,
    labels_of_texts,
    local_loss,
    report_loss,
)

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.data.radiograph_batch import RadiographBatch
    from medvlp.models.radiograph.network import ImageFeatures, RadiographNetwork
    from medvlp.training.radiograph_sentences import SentenceCutter
    from medvlp.training.radiograph_terms import TermSettings

__all__ = ["FindingTexts", "finding_terms", "joined_terms", "report_terms"]


@dataclass(frozen=True)
class FindingTexts:
    """Texts of findings as a step has read them.

    Attributes:
        vectors: Shape ``(n, D)``.
        class_index: Finding of each text, shape ``(n,)``, int64.
        kind: What each text is, shape ``(n,)``, int64.
        number: Equal for equal texts, shape ``(n,)``, int64.
    """

    vectors: Tensor
    class_index: Tensor
    kind: Tensor
    number: Tensor


def report_terms(
    network: RadiographNetwork,
    image: ImageFeatures,
    batch: RadiographBatch,
    settings: TermSettings,
    cutter: SentenceCutter,
) -> dict[str, Tensor]:
    """Return the terms between images and their reports; images without a report are left out.

    Args:
        network: The network.
        image: What it made of the images.
        batch: The radiographs.
        settings: The terms.
        cutter: Cuts reports into sentences.

    Returns:
        ``report`` and ``local``, those of weight above 0; none where fewer than two images of the
        batch of all ranks have a report.

    Raises:
        UsageError: If words are to find patches and the network gives none (MV1838).
    """
    has_report = batch.report_group >= 0
    if not settings.reads_reports or int(all_reduce_sum(has_report.sum())) < 2:
        return {}
    ids, mask = batch.tokens.ids[has_report], batch.tokens.mask[has_report]
    found: dict[str, Tensor] = {}
    reads_words = settings.local.weight > 0 and settings.local.unit == "words"
    if settings.report.weight > 0 or reads_words:
        text = network.encode_text(ids, mask)
        if settings.report.weight > 0:
            found["report"] = report_loss(
                image.pooled[has_report],
                text.sentence,
                network.scales["global"](),
                batch.report_group[has_report],
                settings.report,
            )
        if reads_words:
            if text.words is None:
                raise UsageError(
                    "MV1838",
                    "model.terms.local.unit is words, and the network gives none",
                    expected="model.encoder.word_features: true, or unit: sentences",
                )
            patches = image.patches[has_report]
            found["local"] = local_loss(patches, text.words, text.mask.sum(1), settings.local)
    if settings.local.weight > 0 and not reads_words:
        cut = cutter.cut(ids, mask)
        units = cut.by_report(network.encode_text(cut.ids, cut.mask).sentence)
        found["local"] = local_loss(
            image.patches[has_report], units, cut.num_sentences, settings.local
        )
    return found


def finding_terms(
    network: RadiographNetwork,
    image: ImageFeatures,
    labels: Tensor,
    texts: FindingTexts,
    settings: TermSettings,
    *,
    clauses: FindingTexts | None = None,
) -> dict[str, Tensor]:
    """Return the terms between images and what the book says of findings.

    Args:
        network: The network.
        image: What it made of the images.
        labels: 1 present, 0 absent, -1 uncertain, -2 not mentioned, shape ``(B, C)``, int64.
        texts: Texts of the findings.
        settings: The terms.
        clauses: What the decoder is asked one at a time; None takes the texts.

    Returns:
        ``knowledge``, ``classification`` and ``descriptions``, those of weight above 0.
    """
    found: dict[str, Tensor] = {}
    num = labels.shape[1]
    knowledge, decoder = settings.knowledge, settings.classification
    needs_queries = decoder.weight > 0 or (knowledge.weight > 0 and knowledge.bank == "findings")
    queries = None
    if needs_queries:
        queries = network.facet_queries(texts.vectors, texts.class_index, texts.kind, num)
    if knowledge.weight > 0:
        known = knowledge.labels.apply(labels)
        if queries is not None and knowledge.bank == "findings":
            bank = queries
        else:
            per_text = labels_of_texts(known, texts.class_index, texts.number)
            known, bank = per_text.labels, texts.vectors[per_text.first]
        projected = network.describe(image.pooled)
        scale = network.scales["knowledge"]()
        found["knowledge"] = knowledge_loss(projected, bank, known, scale, knowledge)
    if queries is not None and decoder.weight > 0:
        judged = network.decode(queries, image.patches)
        found["classification"] = classification_loss(judged.logits, decoder.labels.apply(labels))
    if decoder.texts_weight > 0:
        asked = texts if clauses is None else clauses
        per_text = labels_of_texts(decoder.labels.apply(labels), asked.class_index, asked.number)
        alone = network.facet_queries(
            asked.vectors[per_text.first],
            torch.arange(len(per_text.first), device=labels.device),
            asked.kind[per_text.first],
            len(per_text.first),
        )
        logits = network.decode(alone, image.patches).logits
        found["descriptions"] = classification_loss(logits, per_text.labels)
    return found


def joined_terms(parts: dict[str, Tensor], settings: TermSettings) -> LossReport:
    """Return the weighted sum of terms.

    Args:
        parts: The terms, unweighted.
        settings: Their weights.
    """
    weights = {
        "report": settings.report.weight,
        "knowledge": settings.knowledge.weight,
        "local": settings.local.weight,
        "classification": settings.classification.weight,
        "descriptions": settings.classification.texts_weight,
    }
    weighted = [weights[name] * value for name, value in parts.items()]
    terms = {name: value.detach() for name, value in parts.items()}
    return LossReport(torch.stack(weighted).sum(), terms)

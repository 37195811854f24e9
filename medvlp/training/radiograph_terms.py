"""The four terms that radiographs and their reports are trained with, each with its own weight.

DeViDe's loss is ``L = L_bce + L_itc + L_tnc + alpha L_pta``. How the last two are computed, alpha,
and every number below are not published: what stands here is a reconstruction, marked [R], and each
choice is a field.

Letters: B images, C findings, N texts of findings, M different ones among them, T patches, S
sentences, L tokens, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional

from medvlp.config.strict import StrictModel
from medvlp.losses.contrastive import Positives, info_nce_loss
from medvlp.losses.descriptions import knowledge_contrast_loss
from medvlp.losses.duplicates import masked_clip_loss
from medvlp.losses.local_alignment import LocalAlignment, local_alignment_loss
from medvlp.losses.precision import in_full_precision
from medvlp.losses.queries import query_bce_loss
from medvlp.losses.relations import PairRelation

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ClassificationTerm",
    "KnowledgeTerm",
    "LabelRule",
    "LocalTerm",
    "ReportTerm",
    "TermSettings",
    "classification_loss",
    "knowledge_loss",
    "labels_of_texts",
    "local_loss",
    "report_loss",
]

Weight = Annotated[float, Field(ge=0, le=1000)]
Scale = Annotated[float, Field(gt=0, le=1000)]
PRESENT, ABSENT, UNKNOWN = 1, 0, -1
_UNCERTAIN, _UNMENTIONED = -1, -2


class LabelRule(StrictModel):
    """What counts where a report is not plain.

    Attributes:
        uncertain: What a finding is that the report is in doubt about: left out (``ignore``),
            ``absent`` or ``present``.
        unmentioned: What a finding is that the report is silent about: left out, or ``absent``.
    """

    uncertain: Literal["ignore", "absent", "present"] = "ignore"
    unmentioned: Literal["ignore", "absent"] = "ignore"

    def apply(self, labels: Tensor) -> Tensor:
        """Return 1 present, 0 absent, -1 left out.

        Args:
            labels: 1 present, 0 absent, -1 uncertain, -2 not mentioned, any shape, int64.
        """
        doubtful = {"ignore": UNKNOWN, "absent": ABSENT, "present": PRESENT}[self.uncertain]
        silent = ABSENT if self.unmentioned == "absent" else UNKNOWN
        known = torch.where(labels == _UNCERTAIN, doubtful, labels)
        return torch.where(labels <= _UNMENTIONED, silent, known)


class ReportTerm(StrictModel):
    """The global term, ``L_itc``: an image finds its report among those of the batch.

    Attributes:
        weight: Factor of the term; 0 leaves it out.
        identical: What images are to each other whose reports say the same in the same words:
            ``positives``, left out (``ignored``), or ``negatives`` as in CLIP.
        positives: Where several positives stand.
    """

    weight: Weight = 1.0
    identical: Literal["positives", "ignored", "negatives"] = "positives"
    positives: Positives = "decoupled"


class KnowledgeTerm(StrictModel):
    """The text-knowledge term, ``L_tnc`` [R]: an image finds the descriptions of what it shows.

    Attributes:
        weight: Factor of the term; 0 leaves it out.
        bank: What is found: each different text of a finding (``texts``; a text that several
            findings have fits where one of them is present), or one fused query for each finding
            (``findings``).
        positives: Whether each description that fits must score high (``outside``) or one is
            enough (``inside``).
        labels: What counts where a report is not plain.
    """

    weight: Weight = 1.0
    bank: Literal["texts", "findings"] = "texts"
    positives: Literal["outside", "inside"] = "outside"
    labels: LabelRule = LabelRule(unmentioned="absent")


class LocalTerm(StrictModel):
    """The patch-text term, ``L_pta`` [R]: each sentence of a report finds its patches.

    Attributes:
        weight: Factor of the term, the published alpha, whose value is not known; 0 leaves it out.
        unit: What finds patches: ``sentences``, each read on its own, or the ``words`` of the
            report.
        attention_scale: Factor before the softmax over patches.
        word_scale: Factor on a unit's cosine before units are gathered.
        score_scale: Factor on the score of a pair.
        gather: Whether units are summed or averaged inside the logarithm.
        words_compete: Whether a patch first divides its attention among the units.
    """

    weight: Weight = 1.0
    unit: Literal["sentences", "words"] = "sentences"
    attention_scale: Scale = 4.0
    word_scale: Scale = 5.0
    score_scale: Scale = 10.0
    gather: Literal["sum", "mean"] = "mean"
    words_compete: bool = False

    def alignment(self) -> LocalAlignment:
        """Return the settings as the loss takes them."""
        return LocalAlignment(**self.model_dump(exclude={"weight", "unit"}))


class ClassificationTerm(StrictModel):
    """The classification term, ``L_bce``: the query decoder says what an image shows.

    Attributes:
        weight: Factor of the term; 0 leaves it out.
        texts_weight: Factor of the same loss with each different text of a finding as a query of
            its own [R]; a text that several findings have fits where one of them is present. 0
            leaves it out.
        labels: What counts where a report is not plain.
    """

    weight: Weight = 1.0
    texts_weight: Weight = 0.0
    labels: LabelRule = LabelRule()


class TermSettings(StrictModel):
    """The terms of the loss; a term of weight 0 is not computed.

    Attributes:
        report: Image and whole report (global).
        knowledge: Image and descriptions of findings.
        local: Patches and sentences.
        classification: Query decoder.
    """

    report: ReportTerm = ReportTerm()
    knowledge: KnowledgeTerm = KnowledgeTerm()
    local: LocalTerm = LocalTerm()
    classification: ClassificationTerm = ClassificationTerm()

    @property
    def reads_reports(self) -> bool:
        """Whether a term needs the batch's reports."""
        return self.report.weight > 0 or self.local.weight > 0

    @property
    def reads_findings(self) -> bool:
        """Whether a term needs the texts of findings."""
        return self.knowledge.weight > 0 or self.decodes

    @property
    def decodes(self) -> bool:
        """Whether a term needs the query decoder."""
        return self.classification.weight > 0 or self.classification.texts_weight > 0


@dataclass(frozen=True)
class TextLabels:
    """Which images each different text of the findings fits.

    Attributes:
        labels: 1 fits, 0 does not, -1 not known, shape ``(B, M)``, int64.
        first: Row of each different text, shape ``(M,)``, int64.
    """

    labels: Tensor
    first: Tensor


def labels_of_texts(labels: Tensor, class_index: Tensor, text_number: Tensor) -> TextLabels:
    """Say of each different text which images it fits.

    A text fits an image where a finding that has it is present; it does not where all of them are
    absent; else it is not known.

    Args:
        labels: 1 present, 0 absent, -1 not known, shape ``(B, C)``, int64.
        class_index: Finding of each text, shape ``(N,)``, int64.
        text_number: Equal for equal texts, shape ``(N,)``, int64.

    Returns:
        Texts in the order of their numbers.
    """
    numbers, place = torch.unique(text_number, return_inverse=True)
    has = torch.zeros(len(numbers), labels.shape[1], dtype=torch.bool, device=labels.device)
    has[place, class_index] = True
    fits = ((labels == PRESENT).unsqueeze(1) & has).any(-1)
    is_open = ((labels < ABSENT).unsqueeze(1) & has).any(-1)
    joined = torch.where(fits, PRESENT, torch.where(is_open, UNKNOWN, ABSENT))
    rows = torch.arange(len(place), device=labels.device)
    first = torch.full_like(numbers, len(place)).scatter_reduce(0, place, rows, "amin")
    return TextLabels(labels=joined, first=first)


def report_loss(
    pooled: Tensor, report: Tensor, scale: Tensor, group: Tensor, settings: ReportTerm
) -> Tensor:
    """Return the global term.

    Args:
        pooled: Whole images, shape ``(B, D)``; normalised here.
        report: Whole reports, same shape; normalised here.
        scale: 1 / temperature, scalar.
        group: Equal for reports that say the same, shape ``(B,)``, int64.
        settings: The term.

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, ``L_itc``.
    """
    x, y = (functional.normalize(in_full_precision(side), dim=-1) for side in (pooled, report))
    if settings.identical == "positives":
        relation = PairRelation(group=group)
        return info_nce_loss(x, y, scale, relation, positives=settings.positives).total
    label = group if settings.identical == "ignored" else None
    return masked_clip_loss(x, y, scale, label).total


def knowledge_loss(
    projected: Tensor, bank: Tensor, labels: Tensor, scale: Tensor, settings: KnowledgeTerm
) -> Tensor:
    """Return the text-knowledge term [R].

    Args:
        projected: Images behind the multi-label projection, shape ``(B, D)``.
        bank: Descriptions, shape ``(M, D)``.
        labels: 1 fits, 0 does not, -1 not known, shape ``(B, M)``, int64.
        scale: 1 / temperature, scalar.
        settings: The term.

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, ``L_tnc``; its formula is a reconstruction.
    """
    return knowledge_contrast_loss(
        projected, bank, labels, scale, positives=settings.positives
    ).total


def local_loss(patches: Tensor, units: Tensor, num_units: Tensor, settings: LocalTerm) -> Tensor:
    """Return the patch-text term [R].

    Args:
        patches: Shape ``(B, T, D)``; normalised here.
        units: Sentences or words, padded at the end, shape ``(B, S, D)``; normalised here.
        num_units: How many of them are real, shape ``(B,)``, int64, at least 1.
        settings: The term.

    Returns:
        The mean of both directions.

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, ``L_pta``; the form is that of GLoRIA, a
        reconstruction.
    """
    v, s = (functional.normalize(in_full_precision(side), dim=-1) for side in (patches, units))
    return local_alignment_loss(v, s, num_units, settings.alignment()).symmetric


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the classification term over what is known.

    Args:
        logits: Shape ``(B, C)``.
        labels: 1 present, 0 absent, -1 left out, shape ``(B, C)``, int64.

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, ``L_bce``.
    """
    return query_bce_loss(logits, labels)

"""Training of a text tower on reports: naming hidden tokens first, then SimCSE."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.nn import functional

from medvlp.data.report_batch import MaskedReports, ReportBatch, ShuffledReports
from medvlp.errors import ConfigError, ModelError
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.masked_tokens import masked_token_loss
from medvlp.losses.relations import PairRelation
from medvlp.metrics.embedding_space import alignment, uniformity
from medvlp.metrics.retrieval import score_retrieval
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import TOKENIZER_FILE
from medvlp.models.decoder_folder import DecoderTextMeta, load_decoder
from medvlp.models.decoder_text import DecoderSettings, DecoderText, build_decoder
from medvlp.models.folders import model_folder, model_label
from medvlp.models.masked_text import MaskedBert
from medvlp.models.text_sources import open_text_tower
from medvlp.models.text_tower import KnowledgeText, TextTowerMeta, take_knowledge_text
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.report_data import ReportPhase, ReportsDataModule
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from torch import nn

    from medvlp.losses.report import LossReport

__all__ = ["IdenticalTexts", "ReportTextModule", "simcse_loss"]

IdenticalTexts = Literal["positives", "ignored", "negatives"]
_SCHEDULE = ScheduleSettings()
_RANKS = (1, 5, 10)


def simcse_loss(
    first: torch.Tensor,
    second: torch.Tensor,
    text_id: torch.Tensor,
    *,
    logit_scale: float,
    identical: IdenticalTexts,
) -> LossReport:
    """Compute the loss of two embeddings of the same texts, each against all others of the batch.

    Args:
        first: Unit vectors, shape ``(B, D)``, float.
        second: Of the same texts under other dropout, same shape.
        text_id: Number of each text, equal for equal words, shape ``(B,)``, int64.
        logit_scale: Factor of the cosines (1/temperature).
        identical: What rows of equal words are to each other: positives; ignored, neither pulled
            nor pushed; or negatives, as published.

    Source:
        Gao et al. 2021, arXiv:2104.08821, eq. 4. Changed: the mean of both directions, of which one
        is as likely as the other; identical texts.
    """
    scale = first.new_tensor(logit_scale)
    relation = None
    if identical == "positives":
        relation = PairRelation(group=text_id)
    elif identical == "ignored":
        relation = PairRelation(concept=text_id, ignore_same_concept=True)
    return info_nce_loss(first, second, scale, relation)


class ReportTextModule(Learner):
    """Trains a text tower on reports: a BERT, or a decoder made to see both ways.

    Args:
        phase: ``mlm`` names hidden tokens (a decoder by the place before each); ``simcse`` draws
            together two embeddings of a report under different dropout.
        optimizer: How weights are changed.
        text: A BERT text tower; either this or ``decoder``.
        decoder: A decoder as text tower.
        text_from: What to begin with: for a BERT a folder as in other recipes; for a decoder the
            folder of a release, ``hf-hub:owner/name``, or the folder of an earlier run.
        embed_dim: Length of a BERT tower's embedding; None for its width. A decoder's is its width.
        schedule: How the learning rate runs.
        logit_scale: Factor of the cosines in ``simcse``.
        identical_texts: What reports of equal words are to each other in ``simcse``.
        seed: Fixes the random first weights.

    Attributes:
        phase: What is trained.
        text_origin: The tower that the run began with, where training wrote it.
        text_source: Hub name or folder's name of a released decoder that the run began with.

    Raises:
        ConfigError: If settings do not go together (MV1002).
    """

    def __init__(
        self,
        *,
        phase: ReportPhase,
        optimizer: OptimizerSettings,
        text: TextTowerSettings | None = None,
        decoder: DecoderSettings | None = None,
        text_from: str | None = None,
        embed_dim: int | None = None,
        schedule: ScheduleSettings = _SCHEDULE,
        logit_scale: float = 20.0,
        identical_texts: IdenticalTexts = "positives",
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject=f"report-text with phase {phase!r}",
            compared="reports",
            optimizer=optimizer,
            schedule=schedule,
        )
        _check_settings(phase, text, decoder, text_from, embed_dim)
        if not 1 <= logit_scale <= 100:
            raise _wrong(f"model.logit_scale={logit_scale} is not valid", "1 to 100")
        self.phase: ReportPhase = phase
        self.tower: KnowledgeText | DecoderText | None = None
        self.namer: MaskedBert | None = None
        self.text_origin: TextTowerMeta | DecoderTextMeta | None = None
        self.text_source = ""
        self._settings = text
        self._decoder = decoder
        self._text_from = text_from
        self._embed_dim = embed_dim
        self._logit_scale = logit_scale
        self._identical: IdenticalTexts = identical_texts
        self._seed = seed
        self._seen = SeenRows()

    @property
    def reports(self) -> ReportsDataModule:
        """The reports that the trainer reads."""
        return self.data_of(ReportsDataModule)

    @property
    def max_tokens(self) -> int:
        """Largest number of tokens that the tower takes."""
        settings = self._settings or self._decoder
        return settings.max_tokens if settings is not None else 0

    def configure_model(self) -> None:
        """Build the tower for the data's tokenizer, and tell the data what it is for.

        Raises:
            UsageError: If texts may be longer than the tower takes (MV1002).
            ModelError: If the tower to begin with cannot be used (MV14xx, MV1759, MV2043).
        """
        self.reports.phase = self.phase
        if self.tower is not None:
            return
        key = "model.text.max_tokens" if self._decoder is None else "model.decoder.max_tokens"
        check_text_length(self.reports.max_tokens, self.max_tokens, key)
        self.tower = self._build_bert() if self._decoder is None else self._build_decoder()
        if self.phase == "mlm" and isinstance(self.tower, KnowledgeText):
            self.namer = MaskedBert(self.tower, seed=self._seed)

    def network(self) -> nn.Module:
        """Return the tower, with the head that names tokens where that is trained."""
        return self.namer or self.built_tower()

    def built_tower(self) -> KnowledgeText | DecoderText:
        """Return the text tower, which a trainer has built."""
        if self.tower is None:
            msg = "the text tower is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.tower

    def training_step(self, batch: ReportBatch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: Reports with tokens hidden, or whole ones, shuffled beside themselves or not.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        if isinstance(batch, MaskedReports):
            report = masked_token_loss(*self._hidden_logits(batch))
        else:
            other = batch.shuffled if isinstance(batch, ShuffledReports) else batch.text
            tower = self.built_tower()
            report = simcse_loss(
                tower(batch.text.ids, batch.text.mask),
                tower(other.ids, other.mask),
                batch.text_id,
                logit_scale=self._logit_scale,
                identical=self._identical,
            )
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: ReportBatch | None, batch_idx: int) -> None:
        """Keep what the end of the epoch needs of a batch.

        Args:
            batch: Reports held out; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if isinstance(batch, MaskedReports):
            logits, targets = self._hidden_logits(batch)
            losses = functional.cross_entropy(logits.float(), targets, reduction="none")
            self._seen.add(batch_idx, loss=losses, is_hit=logits.argmax(dim=1) == targets)
        elif isinstance(batch, ShuffledReports):
            tower = self.built_tower()
            views = [tower(t.ids, t.mask).float() for t in (batch.text, batch.shuffled)]
            self._seen.add(
                batch_idx,
                report=views[0],
                shuffled=views[1],
                number=batch.text_id,
                is_changed=batch.is_changed,
            )

    def on_validation_epoch_end(self) -> None:
        """Log accuracy and perplexity of hidden tokens, or how reports lie and are found."""
        seen = self._seen.join()
        if not seen:
            return
        for name, value in (_judge_names if "loss" in seen else _judge_views)(seen).items():
            self.tell(name, value)

    def _hidden_logits(self, batch: MaskedReports) -> tuple[torch.Tensor, torch.Tensor]:
        tower = self.namer or self.built_tower()
        if isinstance(tower, KnowledgeText):
            msg = "a BERT tower names tokens through its head"
            raise TypeError(msg)
        return tower.hidden_logits(batch.text.ids, batch.text.mask, batch.targets)

    def _build_bert(self) -> KnowledgeText:
        settings, tokenizer = self._settings, self.reports.tokenizer
        if settings is None or not isinstance(tokenizer, CaptionTokenizer):
            raise _wrong(
                "data.tokenizer.file is a decoder's, and model.text a BERT",
                "a lower-case WordPiece vocabulary, or model.decoder",
            )
        embed_dim = self._embed_dim or settings.width
        tower = KnowledgeText(settings, tokenizer.vocab_size, embed_dim, seed=self._seed)
        if self._text_from is not None:
            source = open_text_tower(Path(self._text_from))
            take_knowledge_text(tower, source, tokenizer, self._text_from)
            self.text_origin = source.meta
        return tower

    def _build_decoder(self) -> DecoderText:
        settings, tokenizer = self._decoder or DecoderSettings(), self.reports.tokenizer
        if self._text_from is None and settings.sizes is not None:
            tower = build_decoder(settings.sizes, tokenizer.vocab_size, settings, self._seed)
        else:
            folder = model_folder(str(self._text_from))
            source = load_decoder(folder, dropout=settings.dropout)
            if source.tokenizer.vocabulary != tokenizer.vocabulary:
                raise ModelError(
                    "MV2043",
                    f"the decoder of {self._text_from} has another tokenizer than data.tokenizer",
                    expected=f"data.tokenizer.file: {folder / TOKENIZER_FILE}",
                )
            tower, self.text_origin = source.model, source.meta
            self.text_source = model_label(str(self._text_from), folder)
        if settings.lora is not None:
            tower.add_lora(settings.lora, seed=self._seed)
        if settings.checkpointing:
            tower.forget_activations()
        return tower


def _judge_names(seen: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return how well hidden tokens were named, name to value."""
    loss = float(seen["loss"].double().mean())
    accuracy = float(seen["is_hit"].double().mean())
    return {"loss": loss, "accuracy": accuracy, "perplexity": math.exp(min(loss, 700.0))}


def _judge_views(seen: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return how reports and their shuffled sentences lie to each other, name to value."""
    reports, shuffled, number, changed = (
        seen[name].numpy() for name in ("report", "shuffled", "number", "is_changed")
    )
    _, first = np.unique(number, return_index=True)
    scores = {}
    if changed.any():
        scores["alignment"] = alignment(reports[changed], shuffled[changed])
    if len(first) > 1:
        scores["uniformity"] = uniformity(reports[first])
    if changed.any() and len(first) > 1:
        found = score_retrieval(
            shuffled[changed], number[changed], reports[first], number[first], ranks=_RANKS
        )
        scores["mean_ap"] = found.mean_ap
        scores |= {f"cmc_{rank}": share for rank, share in found.cmc.items()}
    return scores


def _check_settings(
    phase: ReportPhase,
    text: TextTowerSettings | None,
    decoder: DecoderSettings | None,
    text_from: str | None,
    embed_dim: int | None,
) -> None:
    if (text is None) == (decoder is None):
        found = "neither" if text is None else "both"
        raise _wrong(f"{found} of model.text and model.decoder is set", "one of the two")
    if decoder is not None:
        if (decoder.sizes is None) == (text_from is None):
            found = "neither" if text_from is None else "both"
            raise _wrong(
                f"{found} of model.decoder.sizes and model.text_from is set", "one of the two"
            )
        if embed_dim is not None:
            raise _wrong(
                "model.embed_dim is set, and would have no effect",
                "none: it is the decoder's width",
            )
    dropouts = [text.dropout if text is not None else 0.0]
    if decoder is not None:
        dropouts = [decoder.dropout, decoder.lora.dropout if decoder.lora is not None else 0.0]
    if phase == "simcse" and not any(dropouts):
        raise _wrong(
            "model.phase=simcse without dropout: both embeddings of a report would be one",
            "model.text.dropout or model.decoder.dropout above 0, such as 0.1 or 0.3",
        )


def _wrong(what: str, expected: str) -> ConfigError:
    return ConfigError("MV1002", what, expected=expected)

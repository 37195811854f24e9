"""Training of a network for radiographs: images, their reports, and what a book says of findings.

Letters: B images, C findings, N texts of findings, n of them in a step, S sentences, D embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_batch import RadiographBatch
from medvlp.data.randomness import step_seed
from medvlp.errors import UsageError
from medvlp.models.joined_norm import rows_are_copies
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.text_sources import open_text_tower
from medvlp.models.text_tower import TextTowerMeta, fill_text_side
from medvlp.training.freezing import Epochs, FreezeSettings
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.radiograph_checks import check_input
from medvlp.training.radiograph_clauses import cut_clauses, draw_clauses
from medvlp.training.radiograph_facets import FacetDraws, FacetVectors, draw_texts, number_texts
from medvlp.training.radiograph_judging import RadiographFigures
from medvlp.training.radiograph_loss import (
    FindingTexts,
    finding_terms,
    joined_terms,
    report_terms,
)
from medvlp.training.radiograph_sentences import SentenceCutter
from medvlp.training.radiograph_terms import TermSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from medvlp.data.radiograph_batch import FacetTexts

__all__ = ["RadiographModule"]

_SCHEDULE = ScheduleSettings()
_FREEZE = FreezeSettings()
_TERMS = TermSettings()
_FACETS = FacetDraws()
_STATE = "facet_vectors"


class RadiographModule(Learner):
    """Trains DeViDe's four terms; each is switched off by weight 0 and then not computed.

    The published loss is ``L = L_bce + L_itc + L_tnc + alpha L_pta``; what is not published about
    it is a reconstruction [R], see :mod:`medvlp.training.radiograph_terms`.

    Args:
        encoder: The network.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        terms: The terms of the loss.
        facets: Which texts of a finding a step reads.
        freeze: Which towers rest, and how long.
        text_from: Folder of a text tower to begin with: one that a training of text wrote, or a
            BERT of transformers.
        seed: Fixes the random first weights and the draws of texts.

    Raises:
        UsageError: If no term has a weight (MV1830), or vectors of texts are to be kept while the
            text tower learns (MV1831).
    """

    leaves_unused = True  # a term that is left out, or a batch without reports

    def __init__(
        self,
        *,
        encoder: RadiographModelSettings,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        terms: TermSettings = _TERMS,
        facets: FacetDraws = _FACETS,
        freeze: FreezeSettings = _FREEZE,
        text_from: Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="training on radiographs",
            compared="images and reports",
            optimizer=optimizer,
            schedule=schedule,
        )
        if not (terms.reads_reports or terms.reads_findings):
            raise UsageError(
                "MV1830",
                "every weight in model.terms is 0: there is nothing to learn",
                expected="one term of weight above 0",
            )
        if facets.refresh_every is not None and freeze.text_tower_epochs != "all":
            raise UsageError(
                "MV1831",
                f"model.facets.refresh_every={facets.refresh_every} keeps vectors of texts while "
                "the text tower learns",
                expected="model.freeze.text_tower_epochs: all, or no refresh_every",
            )
        self.radiograph_network: RadiographNetwork | None = None
        self.text_origin: TextTowerMeta | None = None
        self._settings = encoder
        self._terms = terms
        self._draws = facets
        self._freeze = freeze
        self._text_from = text_from
        self._seed = seed
        self._kept = None if facets.refresh_every is None else FacetVectors(facets.refresh_every)
        self._cutter: SentenceCutter | None = None
        self._clauses: FacetTexts | None = None
        self._figures = RadiographFigures()

    @property
    def radiographs(self) -> RadiographDataModule:
        """The radiographs that the trainer reads."""
        return self.data_of(RadiographDataModule)

    def network(self) -> RadiographNetwork:
        """Return the network, which a trainer has built."""
        if self.radiograph_network is None:
            msg = "the network is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.radiograph_network

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the towers."""
        network, freeze = self.network(), self._freeze
        return [
            (network.image_tower, freeze.image_tower_epochs),
            (network.text_tower, freeze.text_tower_epochs),
        ]

    def configure_model(self) -> None:
        """Build the network for the data's images and texts.

        Raises:
            UsageError: If texts may be longer than the text tower takes, or the data holds no
                reports that a term needs (MV1002).
            ModelError: If the network cannot be built, or a tower to begin with cannot be used
                (MV14xx, MV2043).
        """
        if self.radiograph_network is not None:
            return
        data, settings = self.radiographs, self._settings
        check_input(data.input_px, settings)
        if self._terms.reads_reports and data.text != "tokens":
            raise UsageError(
                "MV1002",
                f"data.text={data.text!r}, and the terms report and local read reports",
                expected="data.text=tokens, or weight 0 of both terms",
            )
        longest = data.facets.tokens.ids.shape[1]
        if self._terms.reads_reports:
            longest = max(longest, data.max_tokens)
        check_text_length(longest, settings.text.max_tokens, "model.encoder.text.max_tokens")
        built = RadiographNetwork(settings, data.tokenizer.vocab_size, seed=self._seed)
        if self._text_from is not None:
            text = open_text_tower(self._text_from)
            parts = torch.nn.ModuleDict(
                {"text_tower": built.text_tower, "text_projection": built.text_projection}
            )
            fill_text_side(parts, settings.text, text, data.tokenizer, str(self._text_from))
            self.text_origin = text.meta
        self.radiograph_network = built

    def training_step(self, batch: RadiographBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: The radiographs.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        chance = torch.Generator().manual_seed(step_seed(self._seed, self.global_step, 0))
        image = self.network().encode_image(batch.image)
        parts = report_terms(self.network(), image, batch, self._terms, self._cut())
        if self._terms.reads_findings:
            rows = draw_texts(self.radiographs.facets, self._draws, chance)
            texts, clauses = self._read(rows), self._read_clauses(chance)
            network, labels = self.network(), batch.labels
            parts |= finding_terms(network, image, labels, texts, self._terms, clauses=clauses)
        return self.descend(joined_terms(parts, self._terms), batch_idx, len(batch))

    def bound_weights(self) -> None:
        """Keep the logit scales within their bounds."""
        self.network().clamp_logit_scales()

    def validation_step(self, batch: RadiographBatch | None, batch_idx: int) -> None:
        """Keep what the network says of a batch for the end of the epoch.

        Findings are asked with all their texts.

        Args:
            batch: The radiographs; None where this rank has none of them.
            batch_idx: Number of the batch in the epoch.
        """
        if batch is None:
            return
        network = self.network()
        image = network.encode_image(batch.image)
        if self._terms.decodes:
            queries = self._all_queries()
            logits = network.decode(queries, image.patches).logits
            known = self._terms.classification.labels.apply(batch.labels)
            self._figures.add_judgements(batch_idx, logits, known)
        if self._terms.report.weight > 0:
            has_report = batch.report_group >= 0
            text = network.encode_text(batch.tokens.ids, batch.tokens.mask).sentence
            kept = (image.pooled, text, batch.report_group)
            self._figures.add_pairs(batch_idx, *(part[has_report] for part in kept))

    def on_validation_epoch_end(self) -> None:
        """Log macro AUROC over the findings, and retrieval both ways."""
        for name, value in self._figures.take().items():
            self.tell(name, value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the vectors of texts, so that a run that goes on is the same.

        Args:
            checkpoint: Where to.
        """
        if self._kept is not None:
            checkpoint[_STATE] = self._kept.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the vectors of texts.

        Args:
            checkpoint: Where from.
        """
        if self._kept is not None:
            self._kept.load(checkpoint.get(_STATE, {}))

    def _cut(self) -> SentenceCutter:
        if self._cutter is None:
            self._cutter = SentenceCutter(self.radiographs.tokenizer)
        return self._cutter

    def _read(self, rows: Tensor) -> FindingTexts:
        """Return vectors of texts, computed now or kept."""
        texts = self.radiographs.facets.to(self.device)
        rows = rows.to(self.device)
        if self._kept is None:
            vectors = self._encode(texts, rows)
        else:
            every = torch.arange(len(texts.kind), device=self.device)
            step = self.global_step
            vectors = self._kept.of(step, lambda: self._encode(texts, every))[rows]
        return FindingTexts(
            vectors=vectors,
            class_index=texts.class_index[rows],
            kind=texts.kind[rows],
            number=number_texts(texts)[rows],
        )

    def _read_clauses(self, chance: torch.Generator) -> FindingTexts | None:
        """Return vectors of some clauses; None where whole texts are asked."""
        if self._draws.clauses is None or self._terms.classification.texts_weight == 0:
            return None
        if self._clauses is None:
            data = self.radiographs
            self._clauses = cut_clauses(data.facets, data.tokenizer)
        clauses = self._clauses.to(self.device)
        number = number_texts(clauses)
        rows = draw_clauses(number, self._draws.clauses, chance).to(self.device)
        return FindingTexts(
            vectors=self._encode(clauses, rows),
            class_index=clauses.class_index[rows],
            kind=clauses.kind[rows],
            number=number[rows],
        )

    def _encode(self, texts: FacetTexts, rows: Tensor) -> Tensor:
        """Embed texts; equal ones once."""
        numbers, place = torch.unique(number_texts(texts)[rows], return_inverse=True)
        first = torch.zeros_like(numbers).scatter(0, place, rows)
        ids, mask = texts.tokens.ids[first], texts.tokens.mask[first]
        longest = int(mask.sum(1).max())
        with rows_are_copies():  # every rank reads the same texts
            read = self.network().encode_text(ids[:, :longest], mask[:, :longest])
        return read.sentence[place]

    def _all_queries(self) -> Tensor:
        texts = self.radiographs.facets.to(self.device)
        every = torch.arange(len(texts.kind), device=self.device)
        vectors = self._encode(texts, every)
        return self.network().facet_queries(
            vectors, texts.class_index, texts.kind, len(texts.names)
        )

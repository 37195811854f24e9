"""Training of a text tower on what a knowledge graph says about diseases, with Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import numpy as np
import torch

from medvlp.data.attributes import AttributeBatch
from medvlp.errors import ConfigError, nearest_name
from medvlp.losses.metric import AdaspVariant, adasp_loss
from medvlp.losses.relations import PairRelation
from medvlp.losses.temperature import Temperature
from medvlp.metrics.retrieval import score_retrieval
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.text_sources import open_text_tower
from medvlp.models.text_tower import (
    KnowledgeText,
    TextTowerMeta,
    take_knowledge_text,
)
from medvlp.training.knowledge_data import AttributesDataModule
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.losses.report import LossReport

__all__ = ["AdaspObjective", "KnowledgeModule"]

_SCHEDULE = ScheduleSettings()
_RANKS = (1, 5, 10)


class AdaspObjective:
    """AdaSP over texts: those of one disease belong together.

    Args:
        variant: Which positive: ``adasp``, ``sp-lh`` (least hard) or ``sp-h`` (hardest).

    Raises:
        ConfigError: MV1002 for another word.
    """

    def __init__(self, variant: str = "adasp") -> None:
        valid = get_args(AdaspVariant)
        if variant not in valid:
            raise ConfigError(
                "MV1002",
                f"model.variant={variant!r} is not valid{nearest_name(variant, valid)}",
                expected=f"one of {valid}",
            )
        self._variant = cast("AdaspVariant", variant)

    def __call__(
        self, features: torch.Tensor, scale: torch.Tensor, group_id: torch.Tensor
    ) -> LossReport:
        """Return the loss of a batch.

        Args:
            features: Embeddings of the texts, shape ``(B, D)``, float.
            scale: One over the temperature, scalar.
            group_id: Disease of each text, shape ``(B,)``, int64.
        """
        relation = PairRelation(group=group_id)
        return adasp_loss(features, scale, relation, variant=self._variant)


class KnowledgeModule(Learner):
    """Trains a text tower so that all texts about a disease lie together.

    Args:
        text: The text tower.
        embed_dim: Length of an embedding.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        temperature: One over the factor of the cosines.
        learn_temperature: Whether the factor is learned, from 1 to 100.
        variant: Which positive of AdaSP.
        text_from: Folder of a text tower to begin with: one that knowledge training wrote, or a
            BERT of transformers.
        seed: Fixes the random first weights.
    """

    def __init__(
        self,
        *,
        text: TextTowerSettings,
        embed_dim: int,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        temperature: float = 0.04,
        learn_temperature: bool = False,
        variant: str = "adasp",
        text_from: Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="knowledge training",
            compared="texts",
            optimizer=optimizer,
            schedule=schedule,
        )
        if not 0.01 <= temperature <= 1:
            raise ConfigError(
                "MV1002", f"model.temperature={temperature} is not valid", expected="0.01 to 1"
            )
        self.text: KnowledgeText | None = None
        self.temperature = Temperature(1 / temperature).requires_grad_(learn_temperature)
        self._settings = text
        self._embed_dim = embed_dim
        self._objective = AdaspObjective(variant)
        self._text_from = text_from
        self._seed = seed
        self.text_origin: TextTowerMeta | None = None
        self._seen = SeenRows()

    def configure_model(self) -> None:
        """Build the text tower for the data's tokenizer.

        Raises:
            UsageError: If texts may be longer than the tower takes (MV1002).
            ModelError: If the tower to begin with cannot be used (MV14xx, MV2043).
        """
        if self.text is not None:
            return
        data = self.knowledge
        check_text_length(data.max_tokens, self._settings.max_tokens, "model.text.max_tokens")
        vocab_size = data.tokenizer.vocab_size
        self.text = KnowledgeText(self._settings, vocab_size, self._embed_dim, seed=self._seed)
        if self._text_from is not None:
            source = open_text_tower(self._text_from)
            take_knowledge_text(self.text, source, data.tokenizer, str(self._text_from))
            self.text_origin = source.meta

    @property
    def knowledge(self) -> AttributesDataModule:
        """The texts that the trainer reads."""
        return self.data_of(AttributesDataModule)

    def training_step(self, batch: AttributeBatch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: The texts.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        scale = self.temperature()
        report = self._objective(self._embed(batch), scale, batch.group_id)
        self.log("train/scale", scale.detach(), batch_size=len(batch))
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: AttributeBatch | None, batch_idx: int) -> None:
        """Keep the embeddings of a batch for the end of the epoch.

        Args:
            batch: Names and texts held out; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if batch is not None:
            features = self._embed(batch).float()
            self._seen.add(
                batch_idx, features=features, label=batch.group_id, is_name=batch.is_name
            )

    def on_validation_epoch_end(self) -> None:
        """Log how well names find the texts that were held out: mAP and CMC."""
        seen = self._seen.join()
        if not seen:
            return
        features, label, is_name = (seen[name].numpy() for name in ("features", "label", "is_name"))
        if np.all(is_name) or not np.any(is_name):
            return  # as in the trainer's trial of a few batches
        scores = score_retrieval(
            features[is_name],
            label[is_name],
            features[~is_name],
            label[~is_name],
            ranks=_RANKS,
        )
        self.tell("mean_ap", scores.mean_ap)
        for rank, share in scores.cmc.items():
            self.tell(f"cmc_{rank}", share)

    def bound_weights(self) -> None:
        """Keep the scale within its bounds, now that the step has been made."""
        self.temperature.clamp_()

    def network(self) -> KnowledgeText:
        """Return the text tower, which a trainer has built."""
        if self.text is None:
            msg = "the text tower is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.text

    def further_weights(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        """Return the temperature, by name."""
        return [(f"temperature.{n}", p) for n, p in self.temperature.named_parameters()]

    def _embed(self, batch: AttributeBatch) -> torch.Tensor:
        features: torch.Tensor = self.network()(batch.text.ids, batch.text.mask)
        return features

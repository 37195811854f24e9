"""Contrastive training of a dual encoder with Lightning; the loss is an objective by name."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medvlp.data.batch import Batch
from medvlp.data.modules import PairsDataModule
from medvlp.distributed import all_gather_with_grad, all_reduce_sum, row_counts
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.dual_encoder import DualEncoder, DualOutput
from medvlp.models.preprocessing import normalize_pixels
from medvlp.models.text_sources import check_tokenizer, give_text_tower
from medvlp.models.weights import load_weights_into, read_safetensors
from medvlp.training.freezing import Epochs, FreezeSettings
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.objectives import OptionValue, build_objective
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.retrieving import retrieval_figures
from medvlp.training.towers import TowerSettings
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medvlp.training.results import TowerOrigin

__all__ = ["ContrastiveModule"]

_SCHEDULE = ScheduleSettings()
_FREEZE = FreezeSettings()
_TOWERS = TowerSettings()


class ContrastiveModule(Learner):
    """Trains a dual encoder on image-text pairs.

    Args:
        encoder: The dual encoder's towers.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        objective: Name of what a step descends.
        objective_options: Arguments of the objective.
        freeze: Which towers rest in the first epochs.
        image_from: Safetensors file of the image tower's weights to begin with, under timm's names.
        text_from: Folder of a text tower to begin with: one that knowledge training wrote, a BERT
            of transformers, or a decoder's release.
        seed: Fixes the random first weights.
        towers: How the towers compute: compiled, and with which activations held.
    """

    mean: torch.Tensor
    std: torch.Tensor
    divides = True

    def __init__(
        self,
        *,
        encoder: DualEncoderSettings,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        objective: str = "clip",
        objective_options: dict[str, OptionValue] | None = None,
        freeze: FreezeSettings = _FREEZE,
        image_from: Path | None = None,
        text_from: Path | None = None,
        seed: int = 0,
        towers: TowerSettings = _TOWERS,
    ) -> None:
        super().__init__(
            subject=f"objective {objective!r}",
            compared="pairs",
            optimizer=optimizer,
            schedule=schedule,
            towers=towers,
        )
        self.dual_encoder: DualEncoder | None = None
        self._settings = encoder
        self._objective = build_objective(objective, objective_options or {})
        self._freeze = freeze
        self._image_from = image_from
        self._text_from = text_from
        self.knowledge: torch.nn.Module | None = None
        self.text_origin: TowerOrigin | None = None
        self._seed = seed
        self._seen = SeenRows()

    def configure_model(self) -> None:
        """Build the dual encoder for the data's tokenizer.

        Raises:
            UsageError: If captions may be longer than the text tower takes (MV1002).
            ModelError: If a tower to begin with cannot be used (MV14xx, MV2043).
        """
        if self.dual_encoder is not None:
            return
        data = self.pairs
        kind = "text" if self._settings.decoder is None else "decoder"
        takes = self._settings.text_tower.max_tokens
        check_text_length(data.max_tokens, takes, f"model.encoder.{kind}.max_tokens")
        if self._settings.decoder is None:
            check_tokenizer(data.tokenizer)
        built = DualEncoder(self._settings, data.tokenizer.vocab_size, seed=self._seed)
        if self._image_from is not None:
            weights = read_safetensors(self._image_from)
            load_weights_into(built.image_tower, weights, str(self._image_from))
        if self._text_from is not None:
            self.text_origin = give_text_tower(built, self._text_from, data.tokenizer)
        self.dual_encoder = built.to(memory_format=torch.channels_last)
        if getattr(self._objective, "needs_knowledge", False):  # it computes after the encoder
            self.knowledge = copy.deepcopy(built.text_side()).requires_grad_(False)
        preprocessing = data.preprocessing
        self.register_buffer("mean", torch.tensor(preprocessing.mean), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std), persistent=False)

    @property
    def pairs(self) -> PairsDataModule:
        """The data that the trainer reads."""
        return self.data_of(PairsDataModule)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: The pairs.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        report = self._objective(self._outputs(batch), batch)
        scale = self.network().logit_scale.detach().exp()
        self.log("train/logit_scale", scale, batch_size=len(batch))
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: Batch | None, batch_idx: int) -> None:
        """Keep the embeddings of a batch; log the figures of a whole one.

        Args:
            batch: The pairs; None where this rank has none of them.
            batch_idx: Number of the batch in the epoch.
        """
        counts = row_counts(0 if batch is None else len(batch), self.device)
        if batch is None:
            return
        outputs = self._outputs(batch)
        self._seen.add(batch_idx, image=outputs.image, text=outputs.text, group=batch.group_id)
        if sum(counts) == self.pairs.batch_size:
            self._log_batch(outputs, batch)

    def on_validation_epoch_end(self) -> None:
        """Log retrieval over the whole validation split; captions of the image's group are hits."""
        seen = self._seen.join()
        for name, value in (retrieval_figures(**seen) if seen else {}).items():
            self.tell(name, value)

    def _log_batch(self, outputs: DualOutput, batch: Batch) -> None:
        """Log the loss, and how often the nearest caption of the batch is of the image's group.

        The batch is that of all ranks, so that the figures do not depend on their number.
        """
        report = self._objective(outputs, batch)
        text, groups = (all_gather_with_grad(x) for x in (outputs.text, batch.group_id))
        nearest = (outputs.image @ text.T).argmax(dim=1)
        right = all_reduce_sum((groups[nearest] == batch.group_id).float().sum())
        hits = right / len(groups)
        size = len(batch)
        self.log("validation/loss", report.total, batch_size=size, sync_dist=True)
        self.log("validation/caption_of_group", hits, batch_size=size, sync_dist=True)

    def bound_weights(self) -> None:
        """Keep the logit scale within its bounds, now that the step has been made."""
        self.network().clamp_logit_scale()

    def network(self) -> DualEncoder:
        """Return the dual encoder, which a trainer has built."""
        if self.dual_encoder is None:
            msg = "the dual encoder is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.dual_encoder

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the towers."""
        model, freeze = self.network(), self._freeze
        return [
            (model.image_tower, freeze.image_tower_epochs),
            (model.text_tower, freeze.text_tower_epochs),
        ]

    def further_weights(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        """Return the objective's own weights, by name."""
        objective = self._objective
        named = objective.named_parameters() if isinstance(objective, torch.nn.Module) else ()
        return [(f"objective.{name}", parameter) for name, parameter in named]

    def _rest(self) -> None:
        super()._rest()
        if self.knowledge is not None:
            self.knowledge.eval()

    def _outputs(self, batch: Batch) -> DualOutput:
        pixels = normalize_pixels(batch.pixels, self.mean, self.std)
        outputs: DualOutput = self.network()(pixels, batch.tokens.ids, batch.tokens.mask)
        if self.knowledge is None:
            return outputs
        with torch.no_grad():
            seen = self.knowledge(batch.tokens.ids, batch.tokens.mask).float()
        return replace(outputs, knowledge=torch.nn.functional.normalize(seen, dim=-1))

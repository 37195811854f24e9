"""Training of a network for scans and a text tower on crops and what reports say of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch.nn import functional

from medvlp.data.batch import Batch, Embeddings, Volumes
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.sampler import rank_slice
from medvlp.data.scan_batch import ScanBatch
from medvlp.distributed import rank, world_size
from medvlp.errors import ConfigError, ModelError, UsageError
from medvlp.models.dual_encoder import DualOutput
from medvlp.models.importers.text_vectors import read_text_vectors
from medvlp.models.text_sources import open_text_tower
from medvlp.models.text_tower import TextTowerMeta, fill_text_side
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.chunked import embed_in_chunks
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.stored_texts import StoredTexts
from medvlp.models.volume.tower_folder import (
    VolumeTowerSource,
    open_volume_tower,
    take_volume_tower,
)
from medvlp.models.volume.volume_encoder import network_shape, window_volume
from medvlp.training.freezing import Epochs, FreezeSettings
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.objectives import OptionValue, build_objective
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.retrieving import retrieval_figures
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from medvlp.data.batch import TextInput

__all__ = ["ScanAlignmentModule"]

_SCHEDULE = ScheduleSettings()
_FREEZE = FreezeSettings()
Chunk = Annotated[int, Field(ge=1)]


class ScanAlignmentModule(Learner):
    """Trains crops of scans and their reports into one space.

    Reports are read by a text tower, or their vectors were computed beforehand
    (``data.text: features``): then the network's head must have their length, and the bundle has no
    text tower.

    Args:
        encoder: The network for scans, its head, and the text tower where there is one.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        objective: Name of what a step descends. Groups are crops whose reports say the same, so
            ``grouped`` makes identical reports positives of each other, and ``clip`` negatives.
        objective_options: Arguments of the objective.
        freeze: Which towers rest, and how long.
        image_from: Folder of a network to begin with: one that training on attributes wrote, or the
            bundle of a model that takes CT volumes.
        text_from: Folder of a text tower to begin with: one that a training of text wrote, or a
            BERT of transformers.
        texts_from: File of texts and their vectors, for the bundle of a model without a text tower:
            what it can be asked with.
        chunk_size: Crops that go through the network at a time, over all processes; what lies
            between is computed again for the gradient. None keeps the whole batch in memory.
        seed: Fixes the random first weights.
    """

    def __init__(
        self,
        *,
        encoder: VolumeModelSettings,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        objective: str = "clip",
        objective_options: dict[str, OptionValue] | None = None,
        freeze: FreezeSettings = _FREEZE,
        image_from: Path | None = None,
        text_from: Path | None = None,
        texts_from: Path | None = None,
        chunk_size: Chunk | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject=f"objective {objective!r}",
            compared="crops and reports",
            optimizer=optimizer,
            schedule=schedule,
        )
        self.dual_encoder: VolumeDualEncoder | None = None
        self.image_origin: VolumeTowerSource | None = None
        self.text_origin: TextTowerMeta | None = None
        self.stored_texts: StoredTexts | None = None
        self._settings = encoder
        self._objective = build_objective(objective, objective_options or {})
        if getattr(self._objective, "needs_knowledge", False):
            raise ConfigError(
                "MV1002",
                f"model.objective={objective!r} needs a knowledge encoder, which scans have not",
                expected="another objective, such as 'grouped'",
            )
        self._freeze = freeze
        self._image_from = image_from
        self._text_from = text_from
        self._texts_from = texts_from
        self._chunk_size = chunk_size
        self._seed = seed
        self._seen = SeenRows()

    def configure_model(self) -> None:
        """Build the model for the data's boxes and texts.

        Raises:
            UsageError: If texts may be longer than the text tower takes, or the settings of model
                and data do not go together (MV1002).
            ModelError: If the model cannot be built, or a tower to begin with cannot be used
                (MV14xx, MV1735, MV2043), or the reports' vectors have another length (MV1737).
        """
        if self.dual_encoder is not None:
            return
        data, settings = self.scans, self._settings
        self._check_text(data)
        if self._chunk_size is not None and self._chunk_size < self.trainer.world_size:
            raise UsageError(
                "MV1002",
                f"model.chunk_size={self._chunk_size} is less than one crop for each process",
                expected=f"{self.trainer.world_size} or more, or null",
            )
        tokenizer = None if settings.text is None else data.tokenizer
        built = VolumeDualEncoder(
            settings,
            network_shape(data.preprocessing),
            None if tokenizer is None else tokenizer.vocab_size,
            seed=self._seed,
        )
        if self._image_from is not None:
            source = open_volume_tower(self._image_from)
            take_volume_tower(
                *(built.volume_tower, settings.image, data.preprocessing),
                *(source, str(self._image_from)),
            )
            self.image_origin = source
        if self._text_from is not None and settings.text is not None and tokenizer is not None:
            text = open_text_tower(self._text_from)
            parts = built.text_parts()
            fill_text_side(parts, settings.text, text, tokenizer, str(self._text_from))
            self.text_origin = text.meta
        if self._texts_from is not None:
            self.stored_texts = read_text_vectors(self._texts_from, self._texts_from.name)
        for vectors, where in ((data.features, "data"), (self.stored_texts, "model.texts_from")):
            if vectors is not None and vectors.dim != built.dim:
                raise ModelError(
                    "MV1737",
                    f"the vectors of {where} have {vectors.dim} values",
                    expected=f"model.encoder.head.dim={built.dim}",
                )
        self.dual_encoder = built

    @property
    def scans(self) -> ScanPairsDataModule:
        """The crops that the trainer reads."""
        return self.data_of(ScanPairsDataModule)

    def training_step(self, batch: ScanBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: The crops and reports.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        outputs = self._outputs(batch)
        self.log("train/logit_scale", outputs.logit_scale.detach(), batch_size=len(batch))
        report = self._objective(outputs, _as_pairs(batch))
        return self.descend(report, batch_idx, len(batch))

    def bound_weights(self) -> None:
        """Keep the logit scale within its bounds, now that the step has been made."""
        self.network().clamp_logit_scale()

    def validation_step(self, batch: ScanBatch | None, batch_idx: int) -> None:
        """Keep the embeddings of a batch for the end of the epoch.

        Args:
            batch: The crops and reports; None where this rank has none of them.
            batch_idx: Number of the batch in the epoch.
        """
        if batch is None:
            return
        outputs, group = self._outputs(batch), batch.report_group
        number = torch.full_like(group, batch_idx)
        self._seen.add(
            batch_idx, image=outputs.image, text=outputs.text, group=group, number=number
        )

    def on_validation_epoch_end(self) -> None:
        """Log the loss and retrieval over the whole validation split; identical reports are hits.

        The loss is the mean of the batches' losses, weighted by their sizes.
        """
        seen = self._seen.join()
        if not seen:
            return
        number = seen.pop("number")
        total = 0.0
        for chosen in (number == each for each in torch.unique(number)):
            rows = {name: x[chosen].to(self.device) for name, x in seen.items()}
            total += int(chosen.sum()) * self._loss_of_rows(**rows)
        self.tell("loss", total / len(number))
        for name, value in retrieval_figures(**seen).items():
            self.tell(name, value)

    def _loss_of_rows(self, image: Tensor, text: Tensor, group: Tensor) -> float:
        """Return the loss of a batch that every rank holds: each gives its share of it."""
        own = rank_slice(len(group), rank(), world_size())
        scale = self.network().logit_scale.float().exp()
        outputs = DualOutput(image=image[own], text=text[own], logit_scale=scale)
        inputs = (Embeddings(vectors=outputs.image), Embeddings(vectors=outputs.text))
        return float(self._objective(outputs, _pairs(*inputs, group[own])).total.detach())

    def network(self) -> VolumeDualEncoder:
        """Return the model, which a trainer has built."""
        if self.dual_encoder is None:
            msg = "the model is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.dual_encoder

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the towers."""
        model, freeze = self.network(), self._freeze
        image = (model.volume_tower, freeze.image_tower_epochs)
        text = model.text_tower
        return [image] if text is None else [image, (text, freeze.text_tower_epochs)]

    def further_weights(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        """Return the objective's own weights, by name."""
        objective = self._objective
        named = objective.named_parameters() if isinstance(objective, torch.nn.Module) else ()
        return [(f"objective.{name}", parameter) for name, parameter in named]

    def _outputs(self, batch: ScanBatch) -> DualOutput:
        model = self.network()
        voxels = window_volume(batch.volume, self.scans.preprocessing)
        if self._chunk_size is None or not torch.is_grad_enabled():
            image = model.encode_volume(voxels)
        else:
            projected = embed_in_chunks(model.volume_side(), voxels, self._chunk_size)
            image = functional.normalize(projected.float(), dim=-1)
        if model.text_tower is None:
            text = functional.normalize(batch.text_features.float(), dim=-1)
        else:
            text = model.encode_text(batch.tokens.ids, batch.tokens.mask)
        return DualOutput(image=image, text=text, logit_scale=model.logit_scale.float().exp())

    def _check_text(self, data: ScanPairsDataModule) -> None:
        text = self._settings.text
        wanted = "features" if text is None else "tokens"
        if data.text != wanted:
            having = "without" if text is None else "with"
            raise UsageError(
                "MV1002",
                f"data.text={data.text!r}, and the model is {having} a text tower",
                expected=f"data.text={wanted!r}, or another model.encoder.text",
            )
        rests = self._freeze.text_tower_epochs != 0
        for key, is_set in (("model.text_from", self._text_from), ("model.freeze.text", rests)):
            if text is None and is_set:
                raise UsageError(
                    "MV1002", f"{key} is set without a text tower", expected="a text tower"
                )
        if text is not None:
            check_text_length(data.max_tokens, text.max_tokens, "model.encoder.text.max_tokens")
            if self._texts_from is not None:
                raise UsageError(
                    "MV1002",
                    "model.texts_from is set, and the model's own text tower reads any text",
                    expected="no model.texts_from, or no model.encoder.text",
                )


def _as_pairs(batch: ScanBatch) -> Batch:
    """Return crops and reports as the pairs that objectives know; groups are identical reports."""
    if batch.text is None:
        msg = "the batch holds no reports"
        raise TypeError(msg)
    return _pairs(Volumes(voxels=batch.volume.unsqueeze(1)), batch.text, batch.report_group)


def _pairs(image: Volumes | Embeddings, text: TextInput, group: Tensor) -> Batch:
    return Batch(
        image=image,
        text=text,
        group_id=group,
        concept_id=torch.full_like(group, -1),
        sample_id=("",) * len(group),
        weight=torch.ones_like(group, dtype=torch.float32),
    )

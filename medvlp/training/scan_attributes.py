"""Training of a network for scans on what reports state of each crop: many attributes at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.scan_batch import ScanBatch
from medvlp.errors import UsageError
from medvlp.losses.class_weights import inverse_frequency_weights
from medvlp.losses.joined import joined_mean
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.report import LossReport
from medvlp.metrics.classification import accuracy, balanced_accuracy
from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.settings import VolumeTowerSettings
from medvlp.models.volume.tower_folder import (
    VolumeTowerSource,
    open_volume_tower,
    take_volume_tower,
)
from medvlp.models.volume.volume_encoder import network_shape, window_volume
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ScanAttributesModule"]

_SCHEDULE = ScheduleSettings()
_POWERS = {"inverse": 1.0, "inverse-root": 0.5}
Share = Annotated[float, Field(ge=0, lt=1)]


class ScanAttributesModule(Learner):
    """Trains a network for scans to name the class of each attribute of a crop.

    The loss is the sum over attributes of the mean cross-entropy over the crops that have a label;
    labels of -1 count nowhere. Attributes and their classes are those of the data.

    Args:
        image: The network for scans.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        dropout: Share of the pooled features that are dropped in training.
        class_weights: Whether rare classes of the training split weigh more: by the ``inverse`` of
            their number, by its root (``inverse-root``), or not (``none``, as published).
        image_from: Folder of a network to begin with: one that this training wrote, or the bundle
            of a model that takes CT volumes.
        seed: Fixes the random first weights.
    """

    def __init__(
        self,
        *,
        image: VolumeTowerSettings,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        dropout: Share = 0.0,
        class_weights: Literal["none", "inverse", "inverse-root"] = "none",
        image_from: Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="training on attributes",
            compared="crops",
            optimizer=optimizer,
            schedule=schedule,
        )
        self.classifier: AttributeNetwork | None = None
        self.image_origin: VolumeTowerSource | None = None
        self._settings = image
        self._dropout = dropout
        self._class_weights = class_weights
        self._image_from = image_from
        self._seed = seed
        self._weights: dict[str, Tensor] | None = None
        self._seen = SeenRows()

    def configure_model(self) -> None:
        """Build the network for the data's boxes and attributes.

        Raises:
            UsageError: If the data has no attributes (MV1736).
            ModelError: If the network cannot be built (MV14xx) or the one to begin with cannot be
                used (MV14xx, MV1735).
        """
        if self.classifier is not None:
            return
        data = self.scans
        if not data.attributes:
            raise UsageError(
                "MV1736",
                "the crops of data.folder have no attributes to learn",
                expected="a folder whose reports were read by a schema",
            )
        built = AttributeNetwork(
            self._settings,
            network_shape(data.preprocessing),
            data.attributes,
            dropout=self._dropout,
            seed=self._seed,
        )
        if self._image_from is not None:
            source = open_volume_tower(self._image_from)
            take_volume_tower(
                built.volume_tower,
                self._settings,
                data.preprocessing,
                source,
                str(self._image_from),
            )
            self.image_origin = source
        if self._class_weights != "none":
            self._weights = self._count_classes(_POWERS[self._class_weights])
        self.classifier = built

    @property
    def scans(self) -> ScanPairsDataModule:
        """The crops that the trainer reads."""
        return self.data_of(ScanPairsDataModule)

    def training_step(self, batch: ScanBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log it.

        Args:
            batch: The crops.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        total = self._loss(self._logits(batch), batch.attributes)
        labels = batch.attributes
        labelled = joined_mean((labels >= 0).float(), labels.new_ones(labels.shape))
        report = LossReport(total=total, terms={"labelled": labelled})
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: ScanBatch | None, batch_idx: int) -> None:
        """Keep the logits of a batch for the end of the epoch.

        Args:
            batch: The crops; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if batch is not None:
            logits = {f"of {task}": values.float() for task, values in self._logits(batch).items()}
            self._seen.add(batch_idx, labels=batch.attributes, **logits)

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and balanced accuracy of each attribute, and their means.

        An attribute of which no crop has a label is left out.
        """
        seen = self._seen.join()
        if not seen:
            return
        labels = seen["labels"]
        logits = {task: seen[f"of {task}"] for task in self.network().attributes}
        self.tell("loss", self._loss_of_all(logits, labels))
        found: dict[str, list[float]] = {"accuracy": [], "balanced_accuracy": []}
        for column, task in enumerate(logits):
            has_label = labels[:, column] >= 0
            if not bool(has_label.any()):
                continue
            truth = labels[has_label, column].numpy()
            guess = logits[task][has_label].argmax(dim=1).numpy()
            for name, metric in (("accuracy", accuracy), ("balanced_accuracy", balanced_accuracy)):
                value = metric(truth, guess)
                found[name].append(value)
                self.tell(f"{task}/{name}", value)
        for name, values in found.items():
            if values:
                self.tell(name, sum(values) / len(values))

    def network(self) -> AttributeNetwork:
        """Return the network and its heads, which a trainer has built."""
        if self.classifier is None:
            msg = "the network is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.classifier

    def _logits(self, batch: ScanBatch) -> dict[str, Tensor]:
        voxels = window_volume(batch.volume, self.scans.preprocessing)
        logits: dict[str, Tensor] = self.network()(voxels)
        return logits

    def _loss(self, logits: dict[str, Tensor], labels: Tensor) -> Tensor:
        columns = dict(zip(self.network().attributes, labels.unbind(dim=1), strict=True))
        weights = self._weights
        if weights is not None:
            weights = {task: weight.to(labels.device) for task, weight in weights.items()}
        return multitask_cross_entropy_loss(logits, columns, class_weights=weights)

    def _loss_of_all(self, logits: dict[str, Tensor], labels: Tensor) -> float:
        """Return the loss of rows that every rank holds: a ratio, so that copies do not matter."""
        there = {task: values.to(self.device) for task, values in logits.items()}
        return float(self._loss(there, labels.to(self.device)))

    def _count_classes(self, power: float) -> dict[str, Tensor]:
        kidneys = self.scans.dataset("train").kidneys
        labels = torch.tensor([rows[0].attributes for rows in kidneys])
        return {
            task: inverse_frequency_weights(labels[:, column], len(classes), power=power)
            for column, (task, classes) in enumerate(self.scans.attributes.items())
        }

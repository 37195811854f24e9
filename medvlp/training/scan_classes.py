"""Fine-tuning of a network for scans to tell the classes of one question apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field

from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.scan_batch import ScanBatch
from medvlp.errors import ConfigError, DataError, UsageError, nearest_name
from medvlp.losses.class_weights import inverse_frequency_weights
from medvlp.losses.joined import joined_mean
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.report import LossReport
from medvlp.metrics.classification import balanced_accuracy
from medvlp.metrics.ranking import auroc, auroc_macro
from medvlp.metrics.samples import UndefinedMetricError
from medvlp.models.volume.class_network import ClassNetwork
from medvlp.models.volume.settings import VolumeTowerSettings
from medvlp.models.volume.tower_folder import (
    VolumeTowerSource,
    open_volume_tower,
    take_volume_tower,
)
from medvlp.models.volume.volume_encoder import network_shape, window_volume
from medvlp.training.freezing import Epochs
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from medvlp.data.scan_manifest import ScanRow

__all__ = ["MALIGNANT", "ScanClassesModule"]

MALIGNANT = "malignant"
_MALIGNANT_CLASSES = ("benign", "malignant")
_SCHEDULE = ScheduleSettings()
_TRAIN = "train"
Width = Annotated[int, Field(ge=1, le=65536)]


class ScanClassesModule(Learner):
    """Trains a network for scans and a small classifier on one label of each crop.

    Crops without the label are left out. Rare classes may be drawn as often as others, weigh more
    in the loss, or both, as published.

    Args:
        target: ``malignant``, or the name of an attribute of the crops.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        image_from: Folder of a network to begin with: one that training on attributes wrote, or the
            bundle of a model that takes CT volumes.
        image: A network of random weights instead, to compare with.
        hidden: Width between the classifier's two layers.
        balanced_draws: Whether each class is drawn equally often.
        balanced_loss: Whether the loss weighs classes by the inverse of their number.
        image_tower_epochs: Epochs in which the network rests, from the first; or ``all``.
        seed: Fixes the random first weights.

    Raises:
        ConfigError: If not one of ``image_from`` and ``image`` is given (MV1002).
    """

    def __init__(
        self,
        *,
        target: str,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        image_from: Path | None = None,
        image: VolumeTowerSettings | None = None,
        hidden: Width = 128,
        balanced_draws: bool = True,
        balanced_loss: bool = True,
        image_tower_epochs: Epochs = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject=f"training on classes of {target!r}",
            compared="crops",
            optimizer=optimizer,
            schedule=schedule,
        )
        if (image_from is None) == (image is None):
            found = "neither" if image is None else "both"
            raise ConfigError(
                "MV1002",
                f"{found} of model.image_from and model.image is set",
                expected="one of them",
            )
        self.classifier: ClassNetwork | None = None
        self.image_origin: VolumeTowerSource | None = None
        self._target = target
        self._image_from = image_from
        self._image = image
        self._hidden = hidden
        self._balanced_draws = balanced_draws
        self._balanced_loss = balanced_loss
        self._rests: Epochs = image_tower_epochs
        self._seed = seed
        self._weights: Tensor | None = None
        self._seen = SeenRows()

    @property
    def scans(self) -> ScanPairsDataModule:
        """The crops that the trainer reads."""
        return self.data_of(ScanPairsDataModule)

    def network(self) -> ClassNetwork:
        """Return the network and its classifier, which a trainer has built."""
        if self.classifier is None:
            msg = "the network is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.classifier

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the network below the classifier."""
        return [(self.network().volume_tower, self._rests)]

    def configure_model(self) -> None:
        """Build the network for the data's boxes, and tell the data which crops have a label.

        Raises:
            UsageError: If the crops have no such label (MV1784), or the data holds text (MV1002).
            DataError: If the training crops with a label are of one class (MV1785).
            ModelError: If the network cannot be built (MV14xx) or the one to begin with cannot be
                used (MV14xx, MV1735).
        """
        data = self.scans
        classes = self._classes()
        data.train_on_labels(self._label_of, is_balanced=self._balanced_draws)
        if self.classifier is not None:
            return
        labels = torch.tensor([self._label_of(k[0]) for k in data.dataset(_TRAIN).kidneys])
        found = torch.unique(labels[labels >= 0])
        if len(found) < 2:
            raise DataError(
                "MV1785",
                f"the training crops have {len(found)} of the {len(classes)} classes of "
                f"{self._target!r}",
                expected="two classes or more",
            )
        if self._balanced_loss:
            self._weights = inverse_frequency_weights(labels, len(classes))
        self.classifier = self._build(classes)

    def training_step(self, batch: ScanBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log it.

        Args:
            batch: The crops.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        logits, labels = self._logits(batch), self._labels(batch)
        is_last = (labels == logits.shape[1] - 1).float()
        share = joined_mean(is_last, torch.ones_like(is_last))
        report = LossReport(total=self._loss(logits, labels), terms={"last_class": share})
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: ScanBatch | None, batch_idx: int) -> None:
        """Keep the logits of a batch for the end of the epoch.

        Args:
            batch: The crops; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if batch is not None:
            logits = self._logits(batch).float()
            self._seen.add(batch_idx, logits=logits, labels=self._labels(batch))

    def on_validation_epoch_end(self) -> None:
        """Log loss, balanced accuracy and AUROC of the crops with a label.

        AUROC is of the second of two classes, or the mean of one versus rest; it is left out where
        a class does not occur.
        """
        seen = self._seen.join()
        if not seen:
            return
        logits, labels = seen["logits"], seen["labels"]
        has_label = labels >= 0
        if not bool(has_label.any()):
            return
        # every rank holds all rows: the loss is a ratio, so that copies do not matter
        self.tell("loss", float(self._loss(logits.to(self.device), labels.to(self.device))))
        truth = labels[has_label].numpy()
        chances = logits[has_label].double().softmax(dim=1).numpy()
        self.tell("balanced_accuracy", balanced_accuracy(truth, chances.argmax(axis=1)))
        try:
            self.tell("auroc", _auroc(truth, chances))
        except UndefinedMetricError:
            return

    def _build(self, classes: tuple[str, ...]) -> ClassNetwork:
        preprocessing = self.scans.preprocessing
        shape = network_shape(preprocessing)
        settings = {"hidden": self._hidden, "seed": self._seed}
        if self._image is not None:
            return ClassNetwork(self._image, shape, self._target, classes, **settings)
        source = open_volume_tower(Path(str(self._image_from)))
        built = ClassNetwork(source.settings, shape, self._target, classes, **settings)
        take_volume_tower(
            *(built.volume_tower, source.settings, preprocessing, source, str(self._image_from))
        )
        self.image_origin = source
        return built

    def _classes(self) -> tuple[str, ...]:
        data = self.scans
        if data.text != "none":
            raise UsageError(
                "MV1002", f"data.text={data.text!r} would have no effect", expected="none"
            )
        if self._target == MALIGNANT:
            return _MALIGNANT_CLASSES
        if self._target not in data.attributes:
            raise UsageError(
                "MV1784",
                f"the crops of data.folder have no label {self._target!r}"
                f"{nearest_name(self._target, data.attributes)}",
                expected=f"one of {[MALIGNANT, *data.attributes]}",
            )
        return data.attributes[self._target]

    def _label_of(self, row: ScanRow) -> int:
        if self._target == MALIGNANT:
            return row.malignant
        return row.attributes[list(self.scans.attributes).index(self._target)]

    def _labels(self, batch: ScanBatch) -> Tensor:
        if self._target == MALIGNANT:
            return batch.malignant
        return batch.attributes[:, list(self.scans.attributes).index(self._target)]

    def _logits(self, batch: ScanBatch) -> Tensor:
        logits: Tensor = self.network()(window_volume(batch.volume, self.scans.preprocessing))
        return logits

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = None
        if self._weights is not None:
            weights = {self._target: self._weights.to(logits.device)}
        return multitask_cross_entropy_loss(
            {self._target: logits}, {self._target: labels}, class_weights=weights
        )


def _auroc(truth: np.ndarray, chances: np.ndarray) -> float:
    if chances.shape[1] == 2:
        return auroc(truth, chances[:, 1])
    return auroc_macro(truth, chances)

"""Fine-tuning of a network for radiographs to the classes of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_batch import RadiographBatch
from medvlp.errors import ConfigError, DataError, UsageError, nearest_name
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.queries import query_bce_loss
from medvlp.losses.report import LossReport
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.radiograph.tower_source import RadiographTowerSource, open_radiograph_tower
from medvlp.models.radiograph.tuned_networks import ClassKind, RadiographClassNetwork
from medvlp.training.freezing import Epochs
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.radiograph_checks import check_input
from medvlp.training.radiograph_judging import macro_auroc
from medvlp.training.radiograph_terms import LabelRule
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["VIEW", "RadiographClassesModule"]

VIEW = "view"
_SCHEDULE = ScheduleSettings()
_RULE = LabelRule()
_VIEWS = ("PA", "AP", "LATERAL")
_TRAIN = "train"


class RadiographClassesModule(Learner):
    """Trains the tower of a network for radiographs and one linear layer.

    With ``image_tower_epochs: all`` only the layer learns (a linear probe), with 0 everything does.

    Args:
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        classes: Findings of the data that are the classes, or views with ``target: view``; None
            takes all findings.
        kind: ``multi-label`` judges each finding on its own; ``one-of`` trains on images that show
            one of the findings and no other of them.
        target: What the classes are: ``findings``, or the ``view`` of the image (``one-of``).
        image_from: Bundle of a network for radiographs, whose tower training begins with.
        encoder: A network of random weights instead, to compare with; its text side is not built.
        labels: What counts where a report is not plain.
        image_tower_epochs: Epochs in which the tower rests, from the first; or ``all``.
        seed: Fixes the random first weights.

    Raises:
        ConfigError: If not one of ``image_from`` and ``encoder`` is given, or views are not
            ``one-of`` (MV1002).
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        classes: tuple[str, ...] | None = None,
        kind: ClassKind = "multi-label",
        target: Literal["findings", "view"] = "findings",
        image_from: Path | None = None,
        encoder: RadiographModelSettings | None = None,
        labels: LabelRule = _RULE,
        image_tower_epochs: Epochs = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="training on classes of radiographs",
            compared="images",
            optimizer=optimizer,
            schedule=schedule,
        )
        if (image_from is None) == (encoder is None):
            found = "neither" if encoder is None else "both"
            raise ConfigError(
                "MV1002",
                f"{found} of model.image_from and model.encoder is set",
                expected="one of them",
            )
        if target == VIEW and (kind != "one-of" or classes is None):
            raise ConfigError(
                "MV1002",
                f"model.target=view with model.kind={kind!r} and model.classes={classes}",
                expected=f"one-of, and classes among {list(_VIEWS)}",
            )
        self.classifier: RadiographClassNetwork | None = None
        self.image_origin: RadiographTowerSource | None = None
        self._classes = classes
        self._kind = kind
        self._target = target
        self._image_from = image_from
        self._encoder = encoder
        self._rule = labels
        self._rests: Epochs = image_tower_epochs
        self._seed = seed
        self._seen = SeenRows()

    @property
    def radiographs(self) -> RadiographDataModule:
        """The radiographs that the trainer reads."""
        return self.data_of(RadiographDataModule)

    def network(self) -> RadiographClassNetwork:
        """Return the network, which a trainer has built."""
        if self.classifier is None:
            msg = "the network is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.classifier

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the tower."""
        return [(self.network().image_tower, self._rests)]

    def configure_model(self) -> None:
        """Build the network and begin with the tower of a bundle.

        Raises:
            UsageError: If the data has no such class (MV1832).
            DataError: If the training split does not hold what can be told apart (MV1833).
            ModelError: If the network cannot be built, or the bundle cannot be used (MV14xx).
        """
        if self.classifier is not None:
            return
        classes = self._named_classes()
        self._check_labels(classes)
        source = None if self._image_from is None else open_radiograph_tower(self._image_from)
        settings = self._encoder if source is None else source.settings
        if settings is None:
            msg = "a network or a bundle to begin with is set, as was checked before"
            raise RuntimeError(msg)
        check_input(self.radiographs.input_px, settings)
        built = RadiographClassNetwork(settings, classes, self._kind, seed=self._seed)
        if source is not None:
            source.fill(built.image_tower)
            self.image_origin = source
        self.classifier = built

    def training_step(self, batch: RadiographBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log it.

        Args:
            batch: The radiographs.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        logits = self.network()(batch.image)
        report = LossReport(total=self._loss(logits, self._labels(batch)))
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: RadiographBatch | None, batch_idx: int) -> None:
        """Keep the logits of a batch for the end of the epoch.

        Args:
            batch: The radiographs; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if batch is not None:
            logits = self.network()(batch.image).float()
            self._seen.add(batch_idx, logits=logits, labels=self._labels(batch))

    def on_validation_epoch_end(self) -> None:
        """Log loss and AUROC, the mean over classes that occur and do not only occur."""
        seen = self._seen.join()
        if not seen:
            return
        logits, labels = seen["logits"], seen["labels"]
        # every rank holds all rows: the loss is a ratio, so that copies do not matter
        self.tell("loss", float(self._loss(logits.to(self.device), labels.to(self.device))))
        if self._kind == "one-of":
            logits, labels = logits.softmax(1), one_of_each(labels, logits.shape[1])
        value, counted = macro_auroc(labels.numpy(), logits.numpy().astype(np.float64))
        if counted:
            self.tell("auroc", value)

    def _named_classes(self) -> tuple[str, ...]:
        findings = _VIEWS if self._target == VIEW else self.radiographs.findings
        classes = findings if self._classes is None else self._classes
        unknown = [name for name in classes if name not in findings]
        if unknown:
            raise UsageError(
                "MV1832",
                f"model.classes: the data has no {self._target} {unknown[0]!r}"
                f"{nearest_name(unknown[0], findings)}",
                expected=f"some of {list(findings)}",
            )
        return classes

    def _check_labels(self, classes: tuple[str, ...]) -> None:
        """Refuse a training split in which there is nothing to tell apart."""
        if self._target == VIEW:
            found = {row.view for row in self.radiographs.manifest.rows(_TRAIN)} & set(classes)
            num = len(found)
        else:
            num = sum(
                any(row.labels.get(name) == 1 for row in self.radiographs.manifest.rows(_TRAIN))
                for name in classes
            )
        least = 2 if self._kind == "one-of" else 1
        if num < least:
            raise DataError(
                "MV1833",
                f"{num} of the {len(classes)} classes occur in the training split",
                expected=f"{least} or more",
            )

    def _labels(self, batch: RadiographBatch) -> Tensor:
        """Return ``(B, C)`` of 1, 0, -1, or the class ``(B,)``, -1 where it is not known."""
        classes = self.network().classes
        if self._target == VIEW:
            numbers = [classes.index(v) if v in classes else -1 for v in batch.view]
            return torch.tensor(numbers, device=batch.labels.device)
        columns = [self.radiographs.findings.index(name) for name in classes]
        known = self._rule.apply(batch.labels[:, columns])
        if self._kind == "multi-label":
            return known
        is_one = (known == 1).sum(1) == 1
        return torch.where(is_one, (known == 1).long().argmax(1), -1)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self._kind == "multi-label":
            return query_bce_loss(logits, labels)
        return multitask_cross_entropy_loss({self._target: logits}, {self._target: labels})


def one_of_each(labels: Tensor, num_classes: int) -> Tensor:
    """Return each class as a label of its own.

    Args:
        labels: Class, -1 where it is not known, shape ``(B,)``, int64.
        num_classes: The C.

    Returns:
        1, 0, or -1 where it is not known, shape ``(B, C)``, int64.
    """
    columns = torch.arange(num_classes, device=labels.device)
    known = (labels.unsqueeze(1) == columns).long()
    return torch.where((labels < 0).unsqueeze(1), -1, known)

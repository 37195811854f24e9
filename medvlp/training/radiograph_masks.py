"""Fine-tuning of a network for radiographs to masks: which class each pixel is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch.nn import functional

from medvlp.data.modules_radiograph_masks import RadiographMasksDataModule
from medvlp.data.radiograph_masks import UNKNOWN_PIXEL, MaskBatch
from medvlp.distributed import all_reduce_sum
from medvlp.errors import ConfigError, UsageError
from medvlp.losses.report import LossReport
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.radiograph.tower_source import RadiographTowerSource, open_radiograph_tower
from medvlp.models.radiograph.tuned_networks import RadiographMaskNetwork
from medvlp.training.freezing import Epochs
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.radiograph_checks import check_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["RadiographMasksModule", "mask_loss"]

_SCHEDULE = ScheduleSettings()
Weight = Annotated[float, Field(ge=0, le=1000)]
Width = Annotated[int, Field(ge=1, le=65536)]


class RadiographMasksModule(Learner):
    """Trains the tower of a network for radiographs and a head on its patches.

    The loss is ``dice_weight * Dice + cross_entropy_weight * cross-entropy``.

    Args:
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        image_from: Bundle of a network for radiographs, whose tower training begins with.
        encoder: A network of random weights instead, to compare with; its text side is not built.
        width: Channels of the head's first convolution.
        dice_weight: Weight of the Dice loss.
        cross_entropy_weight: Weight of the cross-entropy.
        image_tower_epochs: Epochs in which the tower rests, from the first; or ``all``.
        seed: Fixes the random first weights.

    Raises:
        ConfigError: If not one of ``image_from`` and ``encoder`` is given (MV1002).
        UsageError: If both weights are 0 (MV1830).
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        image_from: Path | None = None,
        encoder: RadiographModelSettings | None = None,
        width: Width = 64,
        dice_weight: Weight = 1.0,
        cross_entropy_weight: Weight = 1.0,
        image_tower_epochs: Epochs = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="training on masks of radiographs",
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
        if not dice_weight and not cross_entropy_weight:
            raise UsageError(
                "MV1830",
                "model.dice_weight and model.cross_entropy_weight are 0: there is nothing to learn",
                expected="one of them above 0",
            )
        self.masks_network: RadiographMaskNetwork | None = None
        self.image_origin: RadiographTowerSource | None = None
        self._image_from = image_from
        self._encoder = encoder
        self._width = width
        self._weights = (dice_weight, cross_entropy_weight)
        self._rests: Epochs = image_tower_epochs
        self._seed = seed
        self._overlaps: list[Tensor] = []

    @property
    def masked(self) -> RadiographMasksDataModule:
        """The radiographs and masks that the trainer reads."""
        return self.data_of(RadiographMasksDataModule)

    def network(self) -> RadiographMaskNetwork:
        """Return the network, which a trainer has built."""
        if self.masks_network is None:
            msg = "the network is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.masks_network

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return the tower."""
        return [(self.network().image_tower, self._rests)]

    def configure_model(self) -> None:
        """Build the network and begin with the tower of a bundle.

        Raises:
            UsageError: If the pictures have another size than the network takes (MV1834).
            ModelError: If the network cannot be built, or the bundle cannot be used (MV14xx).
        """
        if self.masks_network is not None:
            return
        source = None if self._image_from is None else open_radiograph_tower(self._image_from)
        settings = self._encoder if source is None else source.settings
        if settings is None:
            msg = "a network or a bundle to begin with is set, as was checked before"
            raise RuntimeError(msg)
        check_input(self.masked.input_px, settings)
        classes = self.masked.masks.classes
        built = RadiographMaskNetwork(settings, classes, width=self._width, seed=self._seed)
        if source is not None:
            source.fill(built.image_tower)
            self.image_origin = source
        self.masks_network = built

    def training_step(self, batch: MaskBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log its parts.

        Args:
            batch: The radiographs and masks.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        report = mask_loss(self.network()(batch.image), batch.mask, *self._weights)
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: MaskBatch | None, batch_idx: int) -> None:
        """Count the pixels of a batch in which prediction and mask meet.

        Args:
            batch: The radiographs and masks; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        if batch is None:
            return
        logits = self.network()(batch.image)
        known = batch.mask != UNKNOWN_PIXEL
        said = functional.one_hot(logits.argmax(1), logits.shape[1])[known]
        true = functional.one_hot(batch.mask[known], logits.shape[1])
        self._overlaps.append(torch.stack([(said * true).sum(0), (said + true).sum(0)]))

    def on_validation_epoch_end(self) -> None:
        """Log the Dice coefficient of each class over the whole split, and their mean.

        Classes that neither occur nor are said to are left out; the mean is without background.
        """
        overlaps, self._overlaps = self._overlaps, []
        classes = self.network().classes
        nothing = torch.zeros((2, len(classes)), dtype=torch.int64, device=self.device)
        both, total = all_reduce_sum(torch.stack([nothing, *overlaps]).sum(0)).tolist()
        found = []
        for name, shared, size in zip(classes, both, total, strict=True):
            if size == 0:
                continue
            value = 2 * shared / size
            self.tell(f"dice/{name}", value)
            if name != classes[0]:
                found.append(value)
        if found:
            self.tell("dice", sum(found) / len(found))


def mask_loss(
    logits: Tensor, mask: Tensor, dice_weight: float = 1.0, cross_entropy_weight: float = 1.0
) -> LossReport:
    """Return the weighted sum of Dice loss and cross-entropy over the known pixels.

    The Dice loss is one minus the mean, over the classes but the background that the masks of the
    batch hold, of ``(2 sum p y + 1) / (sum p + sum y + 1)``; sums are over the batch of all ranks.

    Args:
        logits: Shape ``(B, C, S, S)``, float.
        mask: Class of each pixel, 255 left out, shape ``(B, S, S)``, int64.
        dice_weight: Weight of the Dice loss; 0 leaves it out.
        cross_entropy_weight: Weight of the cross-entropy; 0 leaves it out.

    Returns:
        ``total``; terms ``dice`` and ``cross_entropy``, of those that are computed. 0 where no
        pixel is known.

    Source:
        Milletari et al. 2016 (V-Net), arXiv:1606.04797, eq. 3, without squares; smoothed.
    """
    known = mask != UNKNOWN_PIXEL
    scores = logits.float().permute(0, 2, 3, 1)[known]
    truth = mask[known]
    parts: dict[str, Tensor] = {}
    total = scores.sum() * 0.0
    number = all_reduce_sum(known.sum())
    if not int(number):
        return LossReport(total=total)
    if dice_weight > 0:
        chances = scores.softmax(-1)
        marks = functional.one_hot(truth, logits.shape[1]).to(chances.dtype)
        shared, sizes, held_pixels = all_reduce_sum(
            torch.stack([(chances * marks).sum(0), (chances + marks).sum(0), marks.sum(0)])
        )
        ratio = (2 * shared + 1) / (sizes + 1)
        held = held_pixels > 0
        held[0] = False
        parts["dice"] = 1 - ratio[held].mean() if bool(held.any()) else total
        total = total + dice_weight * parts["dice"]
    if cross_entropy_weight > 0:
        summed = functional.cross_entropy(scores, truth, reduction="sum")
        parts["cross_entropy"] = all_reduce_sum(summed) / number
        total = total + cross_entropy_weight * parts["cross_entropy"]
    return LossReport(total=total, terms={name: value.detach() for name, value in parts.items()})

"""Which step of a run is kept: the last one, or the best by a metric on a part of the data.

The best weights so far are part of the run's state, so that a run that is taken up chooses as the
run that was not stopped. What was chosen on which cases stands in the result, in the logs, and in
every figure that is made on the same cases.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from pydantic import Field

from medvlp.config.selection import SelectionRecord, is_test_split
from medvlp.config.strict import StrictModel
from medvlp.distributed import of_first_rank
from medvlp.errors import ConfigError, nearest_name
from medvlp.training.selection_cases import (
    VALIDATION,
    SelectionCases,
    loader_of,
    selection_cases,
)

if TYPE_CHECKING:
    import lightning.pytorch as pl
    import torch

__all__ = ["LAST_STEP", "KeepBest", "SelectSettings", "check_allowed", "selection_of"]

logger = logging.getLogger(__name__)

LAST_STEP = SelectionRecord(chosen="checkpoint", rule="last step, nothing was chosen")
"""What a run says that takes its last step."""

_WORDS = {"max": "largest", "min": "smallest"}


class SelectSettings(StrictModel):
    """How the step that is kept is chosen.

    Attributes:
        metric: What validation logs, such as ``validation/auroc``.
        mode: Whether the largest or the smallest value is the best; the first of equal ones stays.
        split: Part of the data that it is measured on. On ``test`` only with
            ``run.allow_selection_on_test``.
    """

    metric: Annotated[str, Field(min_length=1, max_length=200)]
    mode: Literal["max", "min"]
    split: Annotated[str, Field(min_length=1, max_length=100)] = VALIDATION


def check_allowed(settings: SelectSettings | None, *, on_test: bool, is_allowed: bool) -> None:
    """Refuse to choose a step on test cases where that is not asked for in so many words.

    Args:
        settings: How the step is chosen; None takes the last one.
        on_test: Whether the part is known to hold test cases, whatever it is called.
        is_allowed: ``run.allow_selection_on_test``.

    Raises:
        ConfigError: MV1150.
    """
    if settings is None or is_allowed or not (on_test or is_test_split(settings.split)):
        return
    why = "" if is_test_split(settings.split) else ", which holds files of the test part"
    raise ConfigError(
        "MV1150",
        f"run.select.split is {settings.split!r}{why}: a figure on the test set would then be the "
        "best of many",
        expected="a part that no figure is reported on, such as validation",
        hint="run.allow_selection_on_test=true chooses there all the same; every output says so",
    )


class KeepBest(Callback):
    """Keeps the best weights of a run, and gives them back when training ends.

    Args:
        settings: How the step is chosen; None takes the last one.
        allow_on_test: Whether it may be chosen on the test set.
    """

    def __init__(self, settings: SelectSettings | None, *, allow_on_test: bool = False) -> None:
        check_allowed(settings, on_test=False, is_allowed=allow_on_test)
        self._settings = settings
        self._allow_on_test = allow_on_test
        self._cases: SelectionCases | None = None
        self._value: float | None = None
        self._step = 0
        self._weights: dict[str, torch.Tensor] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look at the cases, and let validation read the part that was asked for.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What begins.

        Raises:
            ConfigError: MV1150 if they are test cases.
            UsageError: MV1152 if there are none, or the recipe cannot measure there.
        """
        data = getattr(trainer, "datamodule", None)
        if self._settings is None or data is None:
            return
        split = self._settings.split
        self._cases = selection_cases(data, split)
        on_test = self._cases.are_of_test
        check_allowed(self._settings, on_test=on_test, is_allowed=self._allow_on_test)
        if split != VALIDATION:
            data.val_dataloader = loader_of(data, split)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell Weights & Biases what is going to be chosen on what.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if self._settings is None:
            _tell(trainer, LAST_STEP.told())
        else:
            _tell(trainer, self._settings.model_dump(mode="json"))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights where they are the best so far.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ConfigError: MV1151 if validation does not measure the metric.
        """
        settings = self._settings
        if settings is None or trainer.sanity_checking:
            return
        measured = trainer.callback_metrics
        if settings.metric not in measured:
            known = sorted(name for name in measured if not name.startswith("train/"))
            near = nearest_name(settings.metric, known)
            raise ConfigError(
                "MV1151",
                f"run.select.metric is {settings.metric!r}, which validation did not measure{near}",
                expected=f"one of {known}",
            )
        # all ranks must keep the same step, also where processors round in their own ways
        value = of_first_rank(float(measured[settings.metric]))
        if not math.isfinite(value):
            logger.warning("%s is %s and cannot be the best", settings.metric, value)
            return
        if self._is_better(value):
            self._value, self._step = value, trainer.global_step
            self._weights = {
                name: tensor.detach().to("cpu", copy=True)
                for name, tensor in pl_module.state_dict().items()
            }
            told = {"selection/value": value, "selection/step": float(self._step)}
            for own in trainer.loggers:
                own.log_metrics(told, step=trainer.global_step - 1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the best weights back to the module, before the result is written.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if self._settings is None:
            return
        if self._value is None:
            logger.warning("nothing was validated, so no step was chosen; the last one is taken")
            return
        pl_module.load_state_dict(self._weights)
        _tell(trainer, self.record().told())

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that is taken up must know: the best value, its step and weights."""
        if self._value is None:
            return {}
        return {"value": self._value, "step": self._step, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what the state of the run holds.

        Args:
            state_dict: What :meth:`state_dict` returned.
        """
        self._value = float(state_dict["value"])
        self._step = int(state_dict["step"])
        self._weights = dict(state_dict["weights"])

    def record(self) -> SelectionRecord:
        """Return what was chosen on which cases."""
        settings, cases = self._settings, self._cases
        if settings is None or cases is None:
            return LAST_STEP
        if self._value is None:
            rule = f"last step, because {settings.metric} was never measured on {settings.split}"
            return SelectionRecord(chosen="checkpoint", rule=rule)
        return SelectionRecord(
            chosen="checkpoint",
            rule=f"{_WORDS[settings.mode]} of the validated steps",
            metric=settings.metric,
            mode=settings.mode,
            value=self._value,
            step=self._step,
            split=settings.split,
            data_sha256=cases.data_sha256,
            number=cases.number,
            num_groups=cases.num_groups,
            content_sha256=cases.content_sha256,
            case_id_sha256=cases.case_id_sha256,
            on_test=cases.are_of_test,
        )

    def _is_better(self, value: float) -> bool:
        if self._value is None or self._settings is None:
            return True
        return value > self._value if self._settings.mode == "max" else value < self._value


def selection_of(trainer: pl.Trainer) -> SelectionRecord:
    """Return what a run says of the choice of its step.

    Args:
        trainer: The trainer of the run.
    """
    found = [own for own in getattr(trainer, "callbacks", ()) if isinstance(own, KeepBest)]
    return found[0].record() if found else LAST_STEP


def _tell(trainer: pl.Trainer, told: dict[str, object]) -> None:
    """Write the choice into the configuration that Weights & Biases keeps."""
    for own in trainer.loggers:
        if isinstance(own, WandbLogger):
            own.experiment.config.update({"selection": told}, allow_val_change=True)

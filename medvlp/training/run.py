"""One training run: its folder, its settings and its logs."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import lightning.pytorch as pl
import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, WandbLogger
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.errors import OutputError
from medvlp.io import check_output_folder, publish_file
from medvlp.jobs.progress import Progress
from medvlp.training.averaging import AverageSettings
from medvlp.training.checkpoints.settings import CheckpointSettings
from medvlp.training.launching import launched_rank
from medvlp.training.resuming import build_csv_logger
from medvlp.training.run_names import (
    BUNDLE_FOLDER,
    CLASSIFIER_FOLDER,
    IMAGE_TOWER_FOLDER,
    REPORT_GENERATOR_FOLDER,
    RESULT_FOLDERS,
    SEGMENTER_FOLDER,
    STATE_FOLDER,
    TEXT_TOWER_FOLDER,
)
from medvlp.training.selecting import SelectSettings
from medvlp.training.wandb_rows import WandbRows, wandb_run_id
from medvlp.training.watching import WatchSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BUNDLE_FOLDER",
    "CLASSIFIER_FOLDER",
    "IMAGE_TOWER_FOLDER",
    "REPORT_GENERATOR_FOLDER",
    "SEGMENTER_FOLDER",
    "TEXT_TOWER_FOLDER",
    "RunSettings",
    "SaveConfig",
    "ShowProgress",
    "build_loggers",
    "finish_loggers",
    "prepare_run_folder",
]


class RunSettings(StrictModel):
    """What a run is called and what it leaves behind.

    Attributes:
        folder: Where config.yaml, logs/metrics.csv and the bundle go.
        name: The model's name.
        license: Licence of the weights (an SPDX name where there is one).
        data: What the model is trained on, in words.
        templates: Caption templates with ``{}`` for a class name, kept in the bundle for zero-shot.
        wandb: ``auto`` logs online where a key is present and offline otherwise; or one of the
            others.
        progress: Whether to show progress on standard error.
        checkpoints: When the state of the run is kept, so that the same command goes on with it.
        select: How the step is chosen that the result is made of; None takes the last one.
        allow_selection_on_test: Choose on the test set all the same; every output then says so.
        trace: Write the samples and the loss of every step to ``trace/rank_K.jsonl``.
        watch: What is told of the run's speed.
        average: Keep a running average of the weights, and use it; None keeps none.
    """

    folder: Path
    name: Annotated[str, Field(min_length=1, max_length=200)]
    license: str
    data: str = ""
    templates: tuple[str, ...] = ("{}.",)
    wandb: Literal["auto", "offline", "online", "off"] = "auto"
    progress: bool = True
    checkpoints: CheckpointSettings = CheckpointSettings()
    select: SelectSettings | None = None
    allow_selection_on_test: bool = False
    trace: bool = False
    watch: WatchSettings = WatchSettings()
    average: AverageSettings | None = None


def prepare_run_folder(settings: RunSettings) -> None:
    """Make the run's folder and refuse one that a finished run is in.

    Raises:
        OutputError: If the folder holds what a run leaves (MV1704) or cannot be written (MV1104).
    """
    for name in RESULT_FOLDERS:
        if (settings.folder / name).exists():
            raise OutputError(
                "MV1704",
                f"{settings.folder / name} exists: a run has finished in this folder",
                expected="a folder without a finished run",
                hint="choose another run.folder, or move the old one away",
            )
    check_output_folder(settings.folder)


def build_loggers(settings: RunSettings, step: int = 0) -> list[Logger]:
    """Return the CSV logger, always, and Weights & Biases as the settings say.

    Nothing that names the machine, its user, its files or a case is handed to Weights & Biases. A
    run that is taken up goes on under its id there; offline, each start has a folder of its own.

    Args:
        settings: The run.
        step: Steps that the run has finished, where it is taken up.
    """
    loggers: list[Logger] = [build_csv_logger(settings.folder, step)]
    mode = _wandb_mode(settings)
    if mode != "off" and not launched_rank():
        private = wandb.Settings(
            mode=mode,
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            host="",
            username="",
            program="",
            program_relpath="",
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            silent=True,
        )
        experiment = wandb.init(
            project="medvlp",
            name=settings.name,
            dir=settings.folder,
            settings=private,
            id=wandb_run_id(settings.folder / STATE_FOLDER),
            resume="allow" if mode == "online" else None,
        )
        loggers.append(WandbRows(experiment, holds=mode == "offline"))
    return loggers


def finish_loggers(loggers: Sequence[Logger]) -> None:
    """Write what loggers still hold, and end the processes that they started.

    Args:
        loggers: What ``build_loggers`` returned.
    """
    experiments = [logger.experiment for logger in loggers if isinstance(logger, WandbLogger)]
    for experiment in experiments:
        experiment.finish()
    if experiments:
        wandb.teardown()  # waits for the process that writes the file, which finish() does not


class SaveConfig(Callback):
    """Writes the resolved configuration into the run's folder when training starts.

    Args:
        path: Where to.
        text: The configuration as YAML.
    """

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if trainer.is_global_zero:
            with publish_file(self._path) as partial:
                partial.write_text(self._text, encoding="utf-8")


class ShowProgress(Callback):
    """Shows steps, their rate and the time left on standard error."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if trainer.is_global_zero:
            total = int(trainer.estimated_stepping_batches)
            self._progress = Progress(total, "steps", label="Training").__enter__()

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        """Count a step."""
        if self._progress is not None:
            self._progress.advance()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._stop()

    def on_exception(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        exception: BaseException,
    ) -> None:
        """Stop the clock.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            exception: What ended the run.
        """
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None


def _wandb_mode(settings: RunSettings) -> Literal["offline", "online", "off"]:
    if settings.wandb != "auto":
        return settings.wandb
    return "online" if _has_wandb_key() else "offline"


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_MODE", "online") != "online":
        return False
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False

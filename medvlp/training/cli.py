"""``medvlp train``: one YAML file is one run; every key is known, or the run does not start."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import yaml
from jsonargparse import ArgumentError
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from pydantic import ValidationError

from medvlp.errors import ConfigError, OutputError
from medvlp.training.averaging import KeepAverage
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.checkpoints.plugin import StateFolders
from medvlp.training.checkpoints.stop_signals import StoppedRun
from medvlp.training.cli_errors import config_sources, parser_error, validation_error
from medvlp.training.joining import JoinRanks
from medvlp.training.launching import check_launch, was_started_again
from medvlp.training.loaders import CareForLoaders
from medvlp.training.quiet import quiet_libraries
from medvlp.training.recipes import DEFAULT_RECIPE, RECIPES
from medvlp.training.resuming import deciding_config, where_to_go_on
from medvlp.training.run import (
    RunSettings,
    SaveConfig,
    ShowProgress,
    build_loggers,
    finish_loggers,
    prepare_run_folder,
)
from medvlp.training.run_notes import NoteProgress
from medvlp.training.selecting import KeepBest
from medvlp.training.sharded.choice import chosen_strategy
from medvlp.training.tracing import TraceSteps
from medvlp.training.watching import WatchSpeed

__all__ = ["TrainCLI", "main"]

_TRAINER_DEFAULTS = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
    "sync_batchnorm": False,
    "log_every_n_steps": 10,
}
_OURS = (
    *("logger", "enable_progress_bar", "enable_checkpointing"),
    *("use_distributed_sampler", "sync_batchnorm"),
)
_PARSER = {"exit_on_error": False, "allow_abbrev": False}


class TrainCLI(LightningCLI):
    """Lightning's command line for our module and data, with the run's own settings.

    Args:
        args: The arguments that follow ``medvlp train``.
        run: Whether to train; otherwise everything is built and nothing is run or written.
    """

    def __init__(self, args: Sequence[str], *, run: bool = True) -> None:
        self._run = run
        self._loggers: list[Logger] = []
        self._going_on: tuple[Path, int] | None = None
        self._state_folders = StateFolders()
        self._arguments = list(args)
        self._recipe = RECIPES.get(_chosen_recipe(self._arguments))
        super().__init__(
            self._recipe.module,
            self._recipe.data,
            save_config_callback=None,
            trainer_defaults=_TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_kwargs={**_PARSER, "fit": dict(_PARSER)},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=self._arguments,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return what can be run, and which of its arguments are not offered."""
        hidden = {"model", "train_dataloaders", "val_dataloaders", "datamodule"}
        return {"fit": {*hidden, "ckpt_path", "weights_only"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run's own settings.

        Args:
            parser: Where to.
        """
        parser.add_argument("--run", type=RunSettings, required=True)
        parser.add_argument("--recipe", type=str, default=DEFAULT_RECIPE)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the arguments and the configuration files they name.

        Args:
            parser: The parser.
            args: The arguments.

        Raises:
            ConfigError: MV1001 for an unknown key, MV1002 for a bad or missing value.
        """
        source = config_sources(self._arguments)
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            defaults = self._subcommand_parsers["fit"].get_defaults(skip_validation=True)
            valid = set(defaults.keys(branches=True))
            raise parser_error(str(error), valid, source) from error

    def instantiate_classes(self) -> None:
        """Build the module, the data and the trainer.

        Raises:
            ConfigError: If settings do not go together (MV1002).
        """
        try:
            super().instantiate_classes()
        except ValidationError as error:
            raise validation_error(error, config_sources(self._arguments)) from error

    def instantiate_trainer(self, **kwargs: object) -> Trainer:
        """Build the trainer with the run's loggers and callbacks.

        Raises:
            ConfigError: If the file sets what the run decides (MV1002).
        """
        chosen = self._get(self.config_init, "trainer")
        for key in _OURS:
            if chosen[key] != _TRAINER_DEFAULTS[key]:
                raise ConfigError(
                    "MV1002",
                    f"trainer.{key} is set, and would have no effect",
                    expected=f"no trainer.{key}",
                    hint="run.wandb, run.progress and run.checkpoints decide about it; batch norms "
                    "and samples are joined over processes in any case",
                )
        if self._run:
            check_launch(chosen)
        settings: RunSettings = self._get(self.config_init, "run")
        text = self._parser(self.subcommand).dump(self.config[self.subcommand], skip_unset=False)
        if self._run:
            prepare_run_folder(settings)
            self._going_on = where_to_go_on(settings.folder)
            step = self._going_on[1] if self._going_on else 0
            self._loggers = build_loggers(settings, step)
            kwargs["logger"] = self._loggers
        own = self._callbacks(settings, text)
        kwargs["callbacks"] = [*(chosen["callbacks"] or []), *own]
        plugins: list[object] = [*(chosen["plugins"] or []), self._state_folders, JoinRanks()]
        if SLURMEnvironment.detect():
            plugins.append(SLURMEnvironment(auto_requeue=False))
        kwargs["plugins"] = plugins
        kwargs["strategy"] = chosen_strategy(chosen["strategy"])
        return super().instantiate_trainer(default_root_dir=settings.folder, **kwargs)

    def _callbacks(self, settings: RunSettings, text: str) -> list[Callback]:
        """Return the run's own callbacks; the state is kept when the others have had their turn."""
        config = yaml.safe_load(text)
        return [
            SaveConfig(settings.folder / "config.yaml", text),
            CareForLoaders(settings.folder),
            KeepBest(settings.select, allow_on_test=settings.allow_selection_on_test),
            *([KeepAverage(settings.average)] if settings.average else []),
            self._recipe.keep(settings, config),
            *([ShowProgress()] if settings.progress else []),
            NoteProgress(settings.folder),
            *([TraceSteps(settings.folder)] if settings.trace else []),
            KeepState(
                settings.folder,
                self._state_folders,
                settings.checkpoints,
                seed=config["seed_everything"],
                config=deciding_config(config),
            ),
            *([WatchSpeed(settings.watch)] if settings.watch.speed else []),
        ]

    def fit(self, **kwargs: object) -> None:
        """Train, from the newest checkpoint of the run's folder where there is one.

        Args:
            kwargs: Module and data, as Lightning gives them.
        """
        path = self._going_on[0] if self._going_on else None
        if self._going_on is not None and self.trainer.is_global_zero:
            sys.stderr.write(f"going on after step {self._going_on[1]}\n")
        self.trainer.fit(**kwargs, ckpt_path=path)  # type: ignore[arg-type]  # as Lightning does

    def _run_subcommand(self, subcommand: str) -> None:
        if not self._run:
            return
        try:
            super()._run_subcommand(subcommand)
        finally:
            finish_loggers(self._loggers)


def main(args: Sequence[str]) -> int:
    """Train as a configuration file says.

    Args:
        args: What follows ``medvlp train``, such as ``fit --config FILE --trainer.max_epochs 2``.

    Returns:
        Exit code 0; 75 if the run was asked to stop by a signal and has kept its state: the same
        command goes on with it.

    Raises:
        ConfigError: If the configuration is wrong: MV1001 for an unknown key, MV1002 for a value.
        MedvlpError: If the data or the run's folder cannot be used, or training fails.
    """
    try:
        build(args, run=True)
    except StoppedRun as stopped:
        if stopped.rank == 0:
            sys.stderr.write(
                f"stopped by {stopped.why} after step {stopped.step}; the same command goes on\n"
            )
        return 0 if stopped.rank else StoppedRun.CODE
    except SIGTERMException:  # Lightning's handler, before ours is set: it would end with code 0
        sys.stderr.write("stopped by SIGTERM before the first step; the same command goes on\n")
        return StoppedRun.CODE
    except OutputError as error:
        if error.code != "MV1704" or not was_started_again():
            raise
        sys.stderr.write("the run had finished when its job was stopped; nothing is left to do\n")
    return 0


def build(args: Sequence[str], *, run: bool = False) -> TrainCLI:
    """Parse a configuration and build all it names.

    Args:
        args: What follows ``medvlp train``.
        run: Whether to train too.

    Raises:
        ConfigError: If the configuration is wrong.
    """
    with quiet_libraries():
        return TrainCLI(args, run=run)


def _chosen_recipe(args: Sequence[str]) -> str:
    """Return the recipe that the command line or its files name; later ones win.

    Which settings there are depends on it, so it is looked up before they are parsed. What is wrong
    with a file is said by the parser.
    """
    chosen = DEFAULT_RECIPE
    options = [part for arg in args for part in (arg.split("=", 1) if arg[:2] == "--" else [arg])]
    for option, value in pairwise(options):
        if option == "--recipe":
            chosen = value
        elif option in {"--config", "-c"} and Path(value).is_file():
            chosen = _recipe_of_file(Path(value)) or chosen
    return chosen


def _recipe_of_file(path: Path) -> str:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ""
    return str(document.get("recipe", "")) if isinstance(document, dict) else ""

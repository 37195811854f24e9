"""One training run: its folder, its logs, and the bundle at its end."""

from __future__ import annotations

import netrc
import os
from importlib.metadata import version
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import lightning.pytorch as pl
import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from pydantic import Field

import medvlp
from medvlp.config.strict import StrictModel
from medvlp.errors import OutputError
from medvlp.io import check_output_folder, publish_file
from medvlp.jobs.progress import Progress
from medvlp.models.bundle import BundleCard, save_bundle
from medvlp.models.bundle_schema import BundleScale, Provenance, image_modality
from medvlp.training.module import ContrastiveModule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medvlp.data.pairs import PairsInfo
    from medvlp.models.text_tower import TextTowerMeta

__all__ = [
    "BUNDLE_FOLDER",
    "TEXT_TOWER_FOLDER",
    "KnowledgeOrigin",
    "RunSettings",
    "SaveBundle",
    "SaveConfig",
    "ShowProgress",
    "build_loggers",
    "finish_loggers",
    "prepare_run_folder",
    "run_provenance",
]

BUNDLE_FOLDER = "bundle"
TEXT_TOWER_FOLDER = "text_tower"
_LIBRARIES = ("torch", "timm", "transformers", "lightning", "tokenizers", "numpy")
_LOCAL_KEYS = {
    "folder",
    "file",
    "graph",
    "captions_of",
    "image_from",
    "text_from",
    "exclude_synonyms_file",
    "default_root_dir",
    "dirpath",
    "save_dir",
}


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
    """

    folder: Path
    name: Annotated[str, Field(min_length=1, max_length=200)]
    license: str
    data: str = ""
    templates: tuple[str, ...] = ("{}.",)
    wandb: Literal["auto", "offline", "online", "off"] = "auto"
    progress: bool = True


class KnowledgeOrigin(Protocol):
    """The graph that knowledge comes from, as far as a model must tell of it."""

    @property
    def content_sha256(self) -> str:
        """Hash of all terms."""

    @property
    def holds_umls(self) -> bool:
        """Whether text of the UMLS is in it."""


def prepare_run_folder(settings: RunSettings) -> None:
    """Make the run's folder and refuse one that a finished run is in.

    Raises:
        OutputError: If the folder holds what a run leaves (MV1704) or cannot be written (MV1104).
    """
    for name in (BUNDLE_FOLDER, TEXT_TOWER_FOLDER):
        if (settings.folder / name).exists():
            raise OutputError(
                "MV1704",
                f"{settings.folder / name} exists: a run has finished in this folder",
                expected="a folder without a finished run",
                hint="choose another run.folder, or move the old one away",
            )
    check_output_folder(settings.folder)


def build_loggers(settings: RunSettings) -> list[Logger]:
    """Return the CSV logger, always, and Weights & Biases as the settings say.

    Nothing that names the machine, its user, its files or a case is handed to Weights & Biases.

    Args:
        settings: The run.
    """
    loggers: list[Logger] = [CSVLogger(settings.folder, name="logs", version="")]
    mode = _wandb_mode(settings)
    if mode != "off":
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
            project="medvlp", name=settings.name, dir=settings.folder, settings=private
        )
        loggers.append(WandbLogger(experiment=experiment))
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


class SaveBundle(Callback):
    """Writes the model bundle when training has finished, and only then.

    Args:
        settings: The run.
        config: The resolved configuration, kept in the bundle without local paths.
    """

    def __init__(self, settings: RunSettings, config: Mapping[str, Any]) -> None:
        self._settings = settings
        self._config = config

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse pairs that no bundle of images can be made of, before any time is spent.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ModelError: If the pairs are of CT volumes (MV1445).
        """
        if isinstance(pl_module, ContrastiveModule):
            image_modality(pl_module.pairs.manifest.info.modality, "the folder of pairs")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the bundle; it appears whole or not at all.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ModelError: If a weight is NaN or infinite (MV1405).
        """
        if not trainer.is_global_zero or not isinstance(pl_module, ContrastiveModule):
            return
        if pl_module.dual_encoder is None:
            return
        data = pl_module.pairs
        info = data.manifest.info
        card = BundleCard(
            name=self._settings.name,
            modality=image_modality(info.modality, "the folder of pairs"),
            preprocessing=data.preprocessing,
            scale=_scale(info),
            provenance=run_provenance(
                self._settings,
                self._config,
                data_sha256=info.manifest_sha256,
                graph=data.graph,
                text_origin=pl_module.text_origin,
            ),
            license=self._settings.license,
            templates=self._settings.templates,
        )
        folder = self._settings.folder / BUNDLE_FOLDER
        save_bundle(folder, pl_module.dual_encoder, data.tokenizer, card)


def run_provenance(
    settings: RunSettings,
    config: Mapping[str, Any],
    *,
    data_sha256: str = "",
    graph: KnowledgeOrigin | None = None,
    text_origin: TextTowerMeta | None = None,
) -> Provenance:
    """Return where the weights of a run come from, without local paths.

    Args:
        settings: The run.
        config: The resolved configuration.
        data_sha256: Hash of the training data.
        graph: The knowledge graph that went into the training.
        text_origin: The text tower that the run began with; UMLS text stays on record through it.
    """
    notes: list[str] = []
    if graph is not None and graph.content_sha256:
        notes.append(f"Knowledge graph with content sha256 {graph.content_sha256}.")
    if text_origin is not None:
        notes.append(f"Began with the text tower {text_origin.name!r}.")
        notes.extend(text_origin.provenance.notes)
    from_text = text_origin is not None and text_origin.provenance.holds_umls
    return Provenance(
        medvlp_version=medvlp.__version__,
        libraries={name: version(name) for name in _LIBRARIES},
        data=settings.data,
        data_sha256=data_sha256,
        settings=_without_local_paths(config),
        holds_umls=from_text or (graph is not None and graph.holds_umls),
        notes=tuple(dict.fromkeys(notes)),
    )


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


def _scale(info: PairsInfo) -> BundleScale | None:
    if info.mpp is None or info.tile_px is None:
        return None
    return BundleScale(mpp=info.mpp, tile_px=info.tile_px)


def _without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what names a place of this machine, at any depth."""
    return {
        key: _shareable(value)
        for key, value in config.items()
        if key not in _LOCAL_KEYS and not _is_local(value)
    }


def _shareable(value: object) -> object:
    if isinstance(value, dict):
        return _without_local_paths(value)
    if isinstance(value, list):
        return [_shareable(item) for item in value if not _is_local(item)]
    return value


def _is_local(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.startswith(("/", "~")) or PureWindowsPath(value).is_absolute()

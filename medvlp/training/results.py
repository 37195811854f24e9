"""What a run leaves behind: who writes it when, and where it says that its weights come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any, Protocol

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

import medvlp
from medvlp.models.bundle_schema import Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.training.run import RunSettings

__all__ = [
    "KnowledgeOrigin",
    "SaveResult",
    "TowerOrigin",
    "run_provenance",
    "without_local_paths",
]

_LIBRARIES = ("torch", "timm", "transformers", "lightning", "tokenizers", "numpy")
_LOCAL_KEYS = {
    "folder",
    "file",
    "graph",
    "captions_of",
    "image_from",
    "text_from",
    "text_features",
    "texts_from",
    "exclude_synonyms_file",
    "generator_from",
    "default_root_dir",
    "dirpath",
    "save_dir",
}


class SaveResult(Callback, ABC):
    """Writes what was learned when training has finished, and only then.

    Args:
        settings: The run.
        config: The resolved configuration, kept beside the weights without local paths.
    """

    def __init__(self, settings: RunSettings, config: Mapping[str, Any]) -> None:
        self._settings = settings
        self._config = config

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the result; it appears whole or not at all.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ModelError: If a weight is NaN or infinite (MV1405).
        """
        if trainer.is_global_zero:
            self.write(pl_module)

    @abstractmethod
    def write(self, module: pl.LightningModule) -> None:
        """Write the result of a module of the recipe; pass over other modules.

        Args:
            module: The module that was trained.
        """


class KnowledgeOrigin(Protocol):
    """The graph that knowledge comes from, as far as a model must tell of it."""

    @property
    def content_sha256(self) -> str:
        """Hash of all terms."""

    @property
    def holds_umls(self) -> bool:
        """Whether text of the UMLS is in it."""


class TowerOrigin(Protocol):
    """A trained tower that a run begins with, as far as the result must tell of it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def provenance(self) -> Provenance:
        """What it was trained on."""


def run_provenance(
    settings: RunSettings,
    config: Mapping[str, Any],
    *,
    data_sha256: str = "",
    graph: KnowledgeOrigin | None = None,
    text_origin: TowerOrigin | None = None,
    image_origin: TowerOrigin | None = None,
) -> Provenance:
    """Return where the weights of a run come from, without local paths.

    Args:
        settings: The run.
        config: The resolved configuration.
        data_sha256: Hash of the training data.
        graph: The knowledge graph that went into the training.
        text_origin: The text tower that the run began with; UMLS text stays on record through it.
        image_origin: The image tower that the run began with.
    """
    notes: list[str] = []
    if graph is not None and graph.content_sha256:
        notes.append(f"Knowledge graph with content sha256 {graph.content_sha256}.")
    begun = {"text": text_origin, "image": image_origin}
    origins = {kind: origin for kind, origin in begun.items() if origin is not None}
    for kind, origin in origins.items():
        notes.append(f"Began with the {kind} tower {origin.name!r}.")
        notes.extend(origin.provenance.notes)
    from_origin = any(origin.provenance.holds_umls for origin in origins.values())
    return Provenance(
        medvlp_version=medvlp.__version__,
        libraries={name: version(name) for name in _LIBRARIES},
        data=settings.data,
        data_sha256=data_sha256,
        settings=without_local_paths(config),
        holds_umls=from_origin or (graph is not None and graph.holds_umls),
        notes=tuple(dict.fromkeys(notes)),
    )


def without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what names a place of this machine, at any depth.

    Args:
        config: Settings by name.
    """
    return {
        key: _shareable(value)
        for key, value in config.items()
        if key not in _LOCAL_KEYS and not _is_local(value)
    }


def _shareable(value: object) -> object:
    if isinstance(value, dict):
        return without_local_paths(value)
    if isinstance(value, list):
        return [_shareable(item) for item in value if not _is_local(item)]
    return value


def _is_local(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.startswith(("/", "~")) or PureWindowsPath(value).is_absolute()

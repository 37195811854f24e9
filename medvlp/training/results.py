"""What a run leaves behind: who writes it when, and where it says that its weights come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

import medvlp
from medvlp.models.bundle_schema import Provenance
from medvlp.training.selecting import LAST_STEP, selection_of
from medvlp.training.sharded.export import gather_weights
from medvlp.training.shareable import without_local_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.config.selection import SelectionRecord
    from medvlp.training.run import RunSettings

__all__ = [
    "KnowledgeOrigin",
    "SaveResult",
    "TowerOrigin",
    "run_provenance",
]

_LIBRARIES = ("torch", "timm", "transformers", "lightning", "tokenizers", "numpy")


class SaveResult(Callback, ABC):
    """Writes what was learned when training has finished, and only then.

    Args:
        settings: The run.
        config: The resolved configuration, kept beside the weights without local paths.
    """

    def __init__(self, settings: RunSettings, config: Mapping[str, Any]) -> None:
        self._settings = settings
        self._config = config
        self._selection = LAST_STEP

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the result; it appears whole or not at all.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ModelError: If a weight is NaN or infinite (MV1405).
        """
        gather_weights(pl_module)
        if trainer.is_global_zero:
            for own in trainer.loggers:  # a run with a result is not taken up: its logs are whole
                own.save()
            self._selection = selection_of(trainer)
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
    selection: SelectionRecord = LAST_STEP,
) -> Provenance:
    """Return where the weights of a run come from, without local paths.

    Args:
        settings: The run.
        config: The resolved configuration.
        data_sha256: Hash of the training data.
        graph: The knowledge graph that went into the training.
        text_origin: The text tower that the run began with; UMLS text stays on record through it.
        image_origin: The image tower that the run began with.
        selection: Which step was kept, and what it was chosen on.
    """
    notes: list[str] = []
    if graph is not None and graph.content_sha256:
        notes.append(f"Knowledge graph with content sha256 {graph.content_sha256}.")
    begun = {"text": text_origin, "image": image_origin}
    origins = {kind: origin for kind, origin in begun.items() if origin is not None}
    for kind, origin in origins.items():
        notes.append(f"Began with the {kind} tower {origin.name!r}.")
        notes.extend(origin.provenance.notes)
        chosen = origin.provenance.selection
        if chosen is not None and chosen.on_test:
            notes.append(f"That of the {kind} tower was chosen on a test set: {chosen.summary()}.")
    from_origin = any(origin.provenance.holds_umls for origin in origins.values())
    return Provenance(
        medvlp_version=medvlp.__version__,
        libraries={name: version(name) for name in _LIBRARIES},
        data=settings.data,
        data_sha256=data_sha256,
        settings=without_local_paths(config),
        holds_umls=from_origin or (graph is not None and graph.holds_umls),
        notes=tuple(dict.fromkeys(notes)),
        selection=selection,
    )

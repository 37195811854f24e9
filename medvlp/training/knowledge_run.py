"""What a run of knowledge training leaves behind: the text tower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

from medvlp.models.text_tower import TextTowerCard, TextTowerMeta, save_text_tower
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.run import TEXT_TOWER_FOLDER, RunSettings, run_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning.pytorch as pl

__all__ = ["SaveTextTower", "write_text_tower"]


class SaveTextTower(Callback):
    """Writes the text tower when training has finished, and only then.

    Args:
        settings: The run.
        config: The resolved configuration, kept beside the weights without local paths.
    """

    def __init__(self, settings: RunSettings, config: Mapping[str, Any]) -> None:
        self._settings = settings
        self._config = config

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the folder; it appears whole or not at all.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            ModelError: If a weight is NaN or infinite (MV1405).
        """
        if trainer.is_global_zero and isinstance(pl_module, KnowledgeModule):
            write_text_tower(pl_module, self._settings, self._config)


def write_text_tower(
    module: KnowledgeModule, settings: RunSettings, config: Mapping[str, Any]
) -> TextTowerMeta:
    """Write a module's text tower into the run's folder.

    Args:
        module: The module that was trained.
        settings: The run.
        config: The resolved configuration.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    data = module.knowledge
    provenance = run_provenance(
        settings,
        config,
        data_sha256=data.training.content_hash(),
        graph=data.source,
        text_origin=module.text_origin,
    )
    card = TextTowerCard(name=settings.name, provenance=provenance, license=settings.license)
    folder = settings.folder / TEXT_TOWER_FOLDER
    return save_text_tower(folder, module.network(), data.tokenizer, card)

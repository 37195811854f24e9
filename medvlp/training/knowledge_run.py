"""What a run of knowledge training leaves behind: the text tower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.models.text_tower import TextTowerCard, TextTowerMeta, save_text_tower
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import TEXT_TOWER_FOLDER, RunSettings
from medvlp.training.selecting import LAST_STEP

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning.pytorch as pl

    from medvlp.config.selection import SelectionRecord

__all__ = ["SaveTextTower", "write_text_tower"]


class SaveTextTower(SaveResult):
    """Writes the text tower."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if isinstance(module, KnowledgeModule):
            write_text_tower(module, self._settings, self._config, self._selection)


def write_text_tower(
    module: KnowledgeModule,
    settings: RunSettings,
    config: Mapping[str, Any],
    selection: SelectionRecord = LAST_STEP,
) -> TextTowerMeta:
    """Write a module's text tower into the run's folder.

    Args:
        module: The module that was trained.
        settings: The run.
        config: The resolved configuration.
        selection: Which step was kept, and what it was chosen on.

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
        selection=selection,
    )
    card = TextTowerCard(name=settings.name, provenance=provenance, license=settings.license)
    folder = settings.folder / TEXT_TOWER_FOLDER
    return save_text_tower(folder, module.network(), data.tokenizer, card)

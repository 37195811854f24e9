"""What a run of contrastive training on pairs leaves behind: the model bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.bundle import BundleCard, save_bundle
from medvlp.models.bundle_schema import BundleScale, image_modality
from medvlp.training.module import ContrastiveModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import BUNDLE_FOLDER

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from medvlp.data.pairs import PairsInfo

__all__ = ["SaveBundle"]


class SaveBundle(SaveResult):
    """Writes the model bundle."""

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

    def write(self, module: pl.LightningModule) -> None:
        """Write the bundle.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, ContrastiveModule):
            return
        if module.dual_encoder is None:
            return
        data = module.pairs
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
                text_origin=module.text_origin,
                selection=self._selection,
            ),
            license=self._settings.license,
            templates=self._settings.templates,
        )
        folder = self._settings.folder / BUNDLE_FOLDER
        save_bundle(folder, module.dual_encoder, data.tokenizer, card)


def _scale(info: PairsInfo) -> BundleScale | None:
    if info.mpp is None or info.tile_px is None:
        return None
    return BundleScale(mpp=info.mpp, tile_px=info.tile_px)

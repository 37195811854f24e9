"""What trainings on radiographs leave behind: a model bundle, or a fine-tuned network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.radiograph.bundle_schema import network_preprocessing
from medvlp.models.radiograph.bundle_writing import RadiographBundleCard, save_radiograph_bundle
from medvlp.models.radiograph.tuned_folder import TunedCard, save_tuned
from medvlp.training.radiograph_classes import RadiographClassesModule
from medvlp.training.radiograph_masks import RadiographMasksModule
from medvlp.training.radiographs import RadiographModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import BUNDLE_FOLDER, CLASSIFIER_FOLDER, SEGMENTER_FOLDER

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["SaveRadiographBundle", "SaveTunedRadiographs"]


class SaveRadiographBundle(SaveResult):
    """Writes the bundle of a model that takes radiographs."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the bundle, with the findings that the network was trained on.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, RadiographModule) or module.radiograph_network is None:
            return
        data, network = module.radiographs, module.radiograph_network
        card = RadiographBundleCard(
            name=self._settings.name,
            preprocessing=network_preprocessing(network.settings),
            provenance=run_provenance(
                self._settings,
                self._config,
                data_sha256=data.manifest.info.samples_sha256,
                text_origin=module.text_origin,
                selection=self._selection,
            ),
            license=self._settings.license,
            findings_seen=data.facets.names,
        )
        save_radiograph_bundle(
            self._settings.folder / BUNDLE_FOLDER,
            network,
            data.tokenizer,
            card,
        )


class SaveTunedRadiographs(SaveResult):
    """Writes a network that was fine-tuned to classes or to masks of radiographs."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if isinstance(module, RadiographClassesModule):
            folder, manifest = CLASSIFIER_FOLDER, module.radiographs.manifest
        elif isinstance(module, RadiographMasksModule):
            folder, manifest = SEGMENTER_FOLDER, module.masked.manifest
        else:
            return
        card = TunedCard(
            name=self._settings.name,
            provenance=run_provenance(
                self._settings,
                self._config,
                data_sha256=manifest.info.samples_sha256,
                image_origin=module.image_origin,
                selection=self._selection,
            ),
            license=self._settings.license,
        )
        save_tuned(self._settings.folder / folder, module.network(), card)

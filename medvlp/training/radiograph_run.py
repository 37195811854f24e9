"""What a training on radiographs leaves behind: a model bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.radiograph.bundle_schema import network_preprocessing
from medvlp.models.radiograph.bundle_writing import RadiographBundleCard, save_radiograph_bundle
from medvlp.training.radiographs import RadiographModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import BUNDLE_FOLDER

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["SaveRadiographBundle"]


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
            ),
            license=self._settings.license,
            findings_seen=data.facets.names,
                selection=self._selection,
        )
        save_radiograph_bundle(
            self._settings.folder / BUNDLE_FOLDER,
            network,
            data.tokenizer,
            card,
        )

"""What trainings on scans leave behind: the network alone, or a model bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.models.volume.bundle_writing import VolumeBundleCard, save_volume_bundle
from medvlp.models.volume.class_folder import save_classifier
from medvlp.models.volume.tower_folder import ImageTowerCard, save_image_tower
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import BUNDLE_FOLDER, CLASSIFIER_FOLDER, IMAGE_TOWER_FOLDER
from medvlp.training.scan_alignment import ScanAlignmentModule
from medvlp.training.scan_attributes import ScanAttributesModule
from medvlp.training.scan_classes import ScanClassesModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning.pytorch as pl

    from medvlp.config.selection import SelectionRecord
    from medvlp.training.run import RunSettings

__all__ = ["SaveClassifier", "SaveImageTower", "SaveVolumeBundle"]


class SaveImageTower(SaveResult):
    """Writes the network for scans with the heads of its attributes."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, ScanAttributesModule) or module.classifier is None:
            return
        card = _image_card(module, self._settings, self._config, self._selection)
        save_image_tower(self._settings.folder / IMAGE_TOWER_FOLDER, module.classifier, card)


class SaveClassifier(SaveResult):
    """Writes the network for scans with the classifier of one question."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, ScanClassesModule) or module.classifier is None:
            return
        card = _image_card(module, self._settings, self._config, self._selection)
        save_classifier(self._settings.folder / CLASSIFIER_FOLDER, module.classifier, card)


class SaveVolumeBundle(SaveResult):
    """Writes the bundle of a model that takes CT volumes."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the bundle.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, ScanAlignmentModule) or module.dual_encoder is None:
            return
        data, model = module.scans, module.dual_encoder
        card = VolumeBundleCard(
            name=self._settings.name,
            preprocessing=data.preprocessing,
            is_projected=True,
            provenance=run_provenance(
                self._settings,
                self._config,
                data_sha256=data.manifest.info.samples_sha256,
                text_origin=module.text_origin,
                image_origin=module.image_origin,
                selection=self._selection,
            ),
            license=self._settings.license,
            templates=self._settings.templates,
        )
        save_volume_bundle(
            self._settings.folder / BUNDLE_FOLDER,
            model,
            None if model.text_tower is None else data.tokenizer,
            card,
            texts=module.stored_texts,
        )


def _image_card(
    module: ScanAttributesModule | ScanClassesModule,
    settings: RunSettings,
    config: Mapping[str, Any],
    selection: SelectionRecord,
) -> ImageTowerCard:
    data = module.scans
    return ImageTowerCard(
        name=settings.name,
        preprocessing=data.preprocessing,
        provenance=run_provenance(
            settings,
            config,
            data_sha256=data.manifest.info.samples_sha256,
            image_origin=module.image_origin,
            selection=selection,
        ),
        license=settings.license,
    )

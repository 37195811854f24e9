"""Recipes of the training command line: which module learns from which data, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.data.modules import PairsDataModule
from medvlp.data.modules_radiograph_masks import RadiographMasksDataModule
from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.registry import Registry
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.knowledge_data import GraphAttributesDataModule
from medvlp.training.knowledge_run import SaveTextTower
from medvlp.training.module import ContrastiveModule
from medvlp.training.pairs_run import SaveBundle
from medvlp.training.radiograph_classes import RadiographClassesModule
from medvlp.training.radiograph_masks import RadiographMasksModule
from medvlp.training.radiograph_run import SaveRadiographBundle, SaveTunedRadiographs
from medvlp.training.radiographs import RadiographModule
from medvlp.training.report_data import ReportsDataModule
from medvlp.training.report_generation import ReportGenerationModule
from medvlp.training.report_generation_run import SaveReportGenerator
from medvlp.training.report_text import ReportTextModule
from medvlp.training.report_text_run import SaveReportText
from medvlp.training.run import RunSettings
from medvlp.training.scan_alignment import ScanAlignmentModule
from medvlp.training.scan_attributes import ScanAttributesModule
from medvlp.training.scan_classes import ScanClassesModule
from medvlp.training.scan_run import SaveClassifier, SaveImageTower, SaveVolumeBundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import Callback

__all__ = ["DEFAULT_RECIPE", "RECIPES", "Recipe"]

DEFAULT_RECIPE = "pairs"


@dataclass(frozen=True)
class Recipe:
    """One kind of training.

    Attributes:
        module: What learns; its arguments stand under ``model``.
        data: What it learns from; its arguments stand under ``data``.
        keep: Makes the callback that writes the result at the end, of the run's settings and the
            resolved configuration.
    """

    module: type[pl.LightningModule]
    data: type[pl.LightningDataModule]
    keep: Callable[[RunSettings, Mapping[str, Any]], Callback]


RECIPES: Registry[Recipe] = Registry("recipe")
RECIPES.register(DEFAULT_RECIPE)(Recipe(ContrastiveModule, PairsDataModule, SaveBundle))
RECIPES.register("knowledge")(Recipe(KnowledgeModule, GraphAttributesDataModule, SaveTextTower))
RECIPES.register("report-text")(Recipe(ReportTextModule, ReportsDataModule, SaveReportText))
RECIPES.register("scan-attributes")(
    Recipe(ScanAttributesModule, ScanPairsDataModule, SaveImageTower)
)
RECIPES.register("scans")(Recipe(ScanAlignmentModule, ScanPairsDataModule, SaveVolumeBundle))
RECIPES.register("scan-reports")(
    Recipe(ReportGenerationModule, ScanPairsDataModule, SaveReportGenerator)
)
RECIPES.register("scan-classes")(Recipe(ScanClassesModule, ScanPairsDataModule, SaveClassifier))
RECIPES.register("radiographs")(
    Recipe(RadiographModule, RadiographDataModule, SaveRadiographBundle)
)
RECIPES.register("radiograph-classes")(
    Recipe(RadiographClassesModule, RadiographDataModule, SaveTunedRadiographs)
)
RECIPES.register("radiograph-masks")(
    Recipe(RadiographMasksModule, RadiographMasksDataModule, SaveTunedRadiographs)
)

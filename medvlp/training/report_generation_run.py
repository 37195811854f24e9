"""What training of report generation leaves behind: the folder of a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.report_generator_folder import ReportGeneratorCard, save_report_generator
from medvlp.training.report_generation import ReportGenerationModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import REPORT_GENERATOR_FOLDER

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from medvlp.models.bundle_schema import Provenance

__all__ = ["SaveReportGenerator"]


class SaveReportGenerator(SaveResult):
    """Writes the generator; LoRA in a file of its own."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if not isinstance(module, ReportGenerationModule) or module.image_settings is None:
            return
        card = ReportGeneratorCard(
            name=self._settings.name,
            image=module.image_settings,
            preprocessing=module.scans.preprocessing,
            writing=module.writing,
            lora=module.decoder_settings.lora,
            release=module.release,
            provenance=self._provenance(module),
            license=self._settings.license,
        )
        folder = self._settings.folder / REPORT_GENERATOR_FOLDER
        save_report_generator(folder, module.network(), card)

    def _provenance(self, module: ReportGenerationModule) -> Provenance:
        provenance = run_provenance(
            self._settings,
            self._config,
            data_sha256=module.scans.manifest.info.samples_sha256,
            image_origin=module.image_origin,
            selection=self._selection,
        )
        notes = [f"Trained to write reports, part {module.train_part}.", *provenance.notes]
        origin = module.generator_origin
        if origin is not None:
            notes += [f"Began with the report generator {origin.name!r}.", *origin.provenance.notes]
        if module.release is not None:
            notes.append(f"Needs the language model {module.release!r}.")
        update = {
            "notes": tuple(dict.fromkeys(notes)),
            "holds_umls": provenance.holds_umls
            or (origin is not None and origin.provenance.holds_umls),
        }
        result: Provenance = provenance.model_copy(update=update)
        return result

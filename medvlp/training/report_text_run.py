"""What a run on reports leaves behind: the text tower, a BERT's or a decoder's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.models.decoder_folder import DecoderTextMeta, save_decoder
from medvlp.models.decoder_text import DecoderText
from medvlp.models.text_tower import TextTowerCard, TextTowerMeta, save_text_tower
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.training.report_text import ReportTextModule
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import TEXT_TOWER_FOLDER, RunSettings
from medvlp.training.selecting import LAST_STEP

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning.pytorch as pl

    from medvlp.config.selection import SelectionRecord
    from medvlp.models.bundle_schema import Provenance

__all__ = ["SaveReportText", "write_report_text"]


class SaveReportText(SaveResult):
    """Writes the text tower."""

    def write(self, module: pl.LightningModule) -> None:
        """Write the folder.

        Args:
            module: The module that was trained.
        """
        if isinstance(module, ReportTextModule):
            write_report_text(module, self._settings, self._config, self._selection)


def write_report_text(
    module: ReportTextModule,
    settings: RunSettings,
    config: Mapping[str, Any],
    selection: SelectionRecord = LAST_STEP,
) -> TextTowerMeta | DecoderTextMeta:
    """Write a module's text tower into the run's folder; a decoder's LoRA is merged first.

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
    data, tower = module.reports, module.built_tower()
    provenance = _provenance(module, settings, config, selection)
    card = TextTowerCard(name=settings.name, provenance=provenance, license=settings.license)
    folder = settings.folder / TEXT_TOWER_FOLDER
    if isinstance(tower, DecoderText):
        tower.merge_lora()
        return save_decoder(
            folder,
            tower,
            data.tokenizer,
            card,
            max_tokens=data.max_tokens,
            template=data.template,
        )
    if not isinstance(data.tokenizer, CaptionTokenizer):
        msg = f"a BERT tower was trained with a {type(data.tokenizer).__name__}"
        raise TypeError(msg)
    return save_text_tower(folder, tower, data.tokenizer, card)


def _provenance(
    module: ReportTextModule,
    settings: RunSettings,
    config: Mapping[str, Any],
    selection: SelectionRecord,
) -> Provenance:
    origin = module.text_origin
    provenance = run_provenance(
        settings,
        config,
        data_sha256=module.reports.content_hash(),
        text_origin=origin if isinstance(origin, TextTowerMeta) else None,
        selection=selection,
    )
    notes = [f"Trained on reports, phase {module.phase}.", *provenance.notes]
    if isinstance(origin, DecoderTextMeta):
        notes += [f"Began with the text tower {origin.name!r}.", *origin.provenance.notes]
    elif origin is None and module.text_source:
        notes.append(f"Began with the language model {module.text_source!r}.")
    if origin is not None and origin.provenance.holds_umls:
        provenance = provenance.model_copy(update={"holds_umls": True})
    result: Provenance = provenance.model_copy(update={"notes": tuple(dict.fromkeys(notes))})
    return result

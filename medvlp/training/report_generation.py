"""Training of a language model that writes the report of a crop, which it sees as a few tokens."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch.nn import functional

from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.scan_batch import ScanBatch
from medvlp.distributed import preceding_rows, rank, row_counts
from medvlp.errors import ConfigError, DataError, ModelError, UsageError
from medvlp.losses.masked_tokens import masked_token_loss
from medvlp.models.decoder_text import DecoderSettings, build_decoder
from medvlp.models.folders import model_folder, model_label
from medvlp.models.report_generator import (
    PromptSettings,
    ReportGenerator,
    TrainedPart,
    WritingSettings,
)
from medvlp.models.report_generator_folder import (
    ReportGeneratorMeta,
    load_report_generator,
    load_writing_decoder,
    read_generator_meta,
)
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.tower_folder import (
    VolumeTowerSource,
    open_volume_tower,
    take_volume_tower,
)
from medvlp.models.volume.volume_encoder import network_shape, window_volume
from medvlp.text.writing_tokenizer import train_writing_tokenizer
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.report_judging import ReportJudge
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.decoder_text import DecoderText
    from medvlp.models.volume.settings import VolumeTowerSettings
    from medvlp.text.writing_tokenizer import WritingTokenizer

__all__ = ["ReportGenerationModule"]

_SCHEDULE = ScheduleSettings()
_WRITING = WritingSettings()
_TRAIN, _VALIDATION = "train", "validation"
Pieces = Annotated[int, Field(ge=258, le=1_000_000)]
Count = Annotated[int, Field(ge=0)]


class ReportGenerationModule(Learner):
    """Trains the tokens that a crop becomes, and the language model that reads them.

    As published in two runs: the ``projection`` alone, then it and ``lora``. A language model of
    random weights must be trained as a whole (``all``) before, or instead.

    Args:
        train: What is trained; the network for scans rests always.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        decoder: The language model: sizes to build one with random weights, its largest number of
            tokens (prompt and report), LoRA. Without sizes it comes from one of the folders below.
        prompt: What stands before a report; None for the usual one, or that of
            ``generator_from``.
        writing: How reports are written, and how long those are that are trained on.
        image_from: Folder of the network for scans: one that training on attributes wrote, or the
            bundle of a model that takes CT volumes.
        text_from: Folder of a released language model, or ``hf-hub:owner/name``.
        generator_from: Folder of an earlier run of this recipe to begin with.
        vocab_size: Largest number of pieces of the tokenizer that is trained on the reports for a
            language model of random weights.
        judged_reports: Number of validation crops whose reports are written after each epoch and
            judged by the attributes that they state; 0 for none.
        judged_by: Schema of these attributes: its name, or the path of a YAML file.
        seed: Fixes the random first weights.

    Raises:
        ConfigError: If settings do not go together (MV1002).
    """

    def __init__(
        self,
        *,
        train: TrainedPart,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings = _SCHEDULE,
        decoder: DecoderSettings,
        prompt: PromptSettings | None = None,
        writing: WritingSettings = _WRITING,
        image_from: Path | None = None,
        text_from: str | None = None,
        generator_from: Path | None = None,
        vocab_size: Pieces = 1000,
        judged_reports: Count = 64,
        judged_by: str = "kidney",
        seed: int = 0,
    ) -> None:
        super().__init__(
            subject="training of report generation",
            compared="reports",
            optimizer=optimizer,
            schedule=schedule,
        )
        _check_sources(decoder, prompt, image_from, text_from, generator_from)
        if (train == "lora") != (decoder.lora is not None):
            raise _wrong(
                f"model.train={train!r}, and model.decoder.lora is {decoder.lora}",
                "model.decoder.lora with model.train=lora, and null otherwise",
            )
        self.train_part: TrainedPart = train
        self.generator: ReportGenerator | None = None
        self.image_settings: VolumeTowerSettings | None = None
        self.image_origin: VolumeTowerSource | None = None
        self.generator_origin: ReportGeneratorMeta | None = None
        self.release: str | None = None
        self.writing = writing
        self.decoder_settings = decoder
        self._prompt = prompt
        self._image_from = image_from
        self._text_from = text_from
        self._generator_from = generator_from
        self._vocab_size = vocab_size
        self._seed = seed
        self._judge = ReportJudge(judged_by, judged_reports)
        self._texts: dict[str, str] = {}
        self._tokens: dict[str, list[int]] = {}
        self._seen = SeenRows()

    @property
    def scans(self) -> ScanPairsDataModule:
        """The crops that the trainer reads."""
        return self.data_of(ScanPairsDataModule)

    def network(self) -> ReportGenerator:
        """Return the generator, which a trainer has built."""
        if self.generator is None:
            msg = "the generator is built when a trainer takes the module"
            raise RuntimeError(msg)
        return self.generator

    def configure_model(self) -> None:
        """Build the generator for the data's boxes and reports.

        Raises:
            UsageError: If the data gives texts of its own, or prompt and report are longer than the
                language model takes (MV1002).
            DataError: If a crop has no report (MV1780).
            ModelError: If the network for scans, the language model or the generator to begin with
                cannot be used (MV14xx, MV1735, MV1781, MV1782, MV1783).
        """
        if self.generator is not None:
            return
        if self.scans.text != "none":
            raise UsageError(
                "MV1002",
                f"data.text={self.scans.text!r} would have no effect",
                expected="data.text=none: the language model's own tokenizer reads the reports",
            )
        reports = self._reports()
        built = self._build_new(reports) if self._generator_from is None else self._build_on()
        _check_length(built, self.writing, self.decoder_settings)
        if self.decoder_settings.checkpointing:
            built.decoder.forget_activations()
        built.choose_trained(self.train_part)
        self._tokens = {
            name: built.tokenizer.encode_report(text, self.writing.max_tokens)
            for name, text in reports.items()
        }
        self._texts, self.generator = reports, built.train()

    def training_step(self, batch: ScanBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch and log it: mean cross-entropy over the reports' tokens.

        Args:
            batch: The crops.
            batch_idx: Number of the batch in the epoch.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        report = masked_token_loss(*self._logits(self._voxels(batch), batch))
        return self.descend(report, batch_idx, len(batch))

    def validation_step(self, batch: ScanBatch | None, batch_idx: int) -> None:
        """Keep the losses of a batch, with its own crops and with others', and write reports.

        Args:
            batch: The crops; None where this rank has none of them.
            batch_idx: Number of the batch.
        """
        counts = row_counts(0 if batch is None else len(batch), self.device)
        wanted, before = self._judge.wanted(sum(counts)), sum(counts[: rank()])
        shape = network_shape(self.scans.preprocessing)
        empty = torch.empty((0, 1, *shape), device=self.device)
        voxels = empty if batch is None else self._voxels(batch)
        others = preceding_rows(voxels, counts)
        if batch is None:
            return
        own, other = (self._token_losses(crops, batch) for crops in (voxels, others))
        self._seen.add(batch_idx, own=own, other=other)
        mine = max(wanted - before, 0)
        if mine:
            texts = self.network().write_reports(voxels[:mine], self.writing)
            references = [self._texts[name] for name in batch.sample_id[:mine]]
            self._judge.add(texts, references, batch.side[:mine])

    def on_validation_epoch_end(self) -> None:
        """Log loss, perplexity, what the crop's own image gains, and what reports state rightly."""
        losses = {name: float(x.double().mean()) for name, x in self._seen.join().items()}
        if losses:
            self.tell("loss", losses["own"])
            self.tell("perplexity", math.exp(min(losses["own"], 700.0)))
            self.tell("image_gain", losses["other"] - losses["own"])
        for name, value in self._judge.finish().items():
            self.tell(name, value)

    def _voxels(self, batch: ScanBatch) -> Tensor:
        return window_volume(batch.volume, self.scans.preprocessing)

    def _logits(self, voxels: Tensor, batch: ScanBatch) -> tuple[Tensor, Tensor]:
        return self.network().report_logits(voxels, [self._tokens[n] for n in batch.sample_id])

    def _token_losses(self, voxels: Tensor, batch: ScanBatch) -> Tensor:
        logits, targets = self._logits(voxels, batch)
        return functional.cross_entropy(logits.float(), targets, reduction="none")

    def _reports(self) -> dict[str, str]:
        splits = self.scans.manifest.splits
        rows = [row for split in (_TRAIN, _VALIDATION) for row in splits.get(split, ())]
        without = [row.sample_id for row in rows if not row.report.strip()]
        if without:
            raise DataError(
                "MV1780",
                f"{len(without)} of {len(rows)} crops have no report, such as {without[0]}",
                expected="a report of every crop of the splits train and validation",
            )
        return {row.sample_id: row.report for row in rows}

    def _build_new(self, reports: dict[str, str]) -> ReportGenerator:
        preprocessing = self.scans.preprocessing
        source = open_volume_tower(Path(str(self._image_from)))
        tower = build_volume_tower(source.settings, network_shape(preprocessing))
        take_volume_tower(tower, source.settings, preprocessing, source, str(self._image_from))
        self.image_origin, self.image_settings = source, source.settings
        decoder, tokenizer = self._build_decoder(reports)
        prompt = self._prompt or PromptSettings()
        built = ReportGenerator(tower, decoder, tokenizer, prompt, seed=self._seed)
        if self.decoder_settings.lora is not None:
            decoder.add_lora(self.decoder_settings.lora, seed=self._seed)
        return built

    def _build_decoder(self, reports: dict[str, str]) -> tuple[DecoderText, WritingTokenizer]:
        settings = self.decoder_settings
        if settings.sizes is None:
            folder = self._release_folder()
            return load_writing_decoder(folder, dropout=settings.dropout)
        texts = [reports[row.sample_id] for row in self.scans.manifest.rows(_TRAIN)]
        tokenizer = train_writing_tokenizer(texts, self._vocab_size)
        decoder = build_decoder(settings.sizes, tokenizer.vocab_size, settings, self._seed)
        return decoder, tokenizer

    def _build_on(self) -> ReportGenerator:
        where, settings = Path(str(self._generator_from)), self.decoder_settings
        meta = read_generator_meta(where)
        if meta.lora is not None and meta.lora != settings.lora:
            raise ModelError(
                "MV1783",
                f"the generator of {where} has LoRA {meta.lora}",
                expected="model.train=lora with the same model.decoder.lora",
            )
        if meta.preprocessing.to_preprocessing() != self.scans.preprocessing:
            raise ModelError(
                "MV1735",
                f"the generator of {where} was trained on boxes made in another way",
                expected="crops made as those that it was trained on",
            )
        folder = self._release_folder() if self._text_from is not None else None
        built, _ = load_report_generator(where, decoder_from=folder, dropout=settings.dropout)
        if settings.lora is not None and meta.lora is None:
            built.decoder.add_lora(settings.lora, seed=self._seed)
        self.generator_origin, self.image_settings = meta, meta.image
        return built

    def _release_folder(self) -> Path:
        folder = model_folder(str(self._text_from))
        label = model_label(str(self._text_from), folder)
        self.release = None if self.train_part == "all" else label
        return folder


def _check_sources(
    decoder: DecoderSettings,
    prompt: PromptSettings | None,
    image_from: Path | None,
    text_from: str | None,
    generator_from: Path | None,
) -> None:
    if (image_from is None) == (generator_from is None):
        found = "neither" if image_from is None else "both"
        raise _wrong(f"{found} of model.image_from and model.generator_from is set", "one of them")
    if generator_from is not None:
        for key, is_set in (("decoder.sizes", decoder.sizes), ("prompt", prompt)):
            if is_set is not None:
                raise _wrong(
                    f"model.{key} is set beside model.generator_from, and would have no effect",
                    "null: it is that of the generator",
                )
    elif (decoder.sizes is None) == (text_from is None):
        found = "neither" if text_from is None else "both"
        raise _wrong(f"{found} of model.decoder.sizes and model.text_from is set", "one of them")


def _check_length(
    model: ReportGenerator, writing: WritingSettings, settings: DecoderSettings
) -> None:
    takes = min(settings.max_tokens, int(model.decoder.network.config.max_position_embeddings))
    needed = model.prompt_length + writing.max_tokens
    if needed > takes:
        raise UsageError(
            "MV1002",
            f"a prompt of {model.prompt_length} tokens and a report of "
            f"model.writing.max_tokens={writing.max_tokens} are more than the language model takes",
            expected=f"{takes} together, the smaller of model.decoder.max_tokens and what it was "
            "built for",
        )


def _wrong(what: str, expected: str) -> ConfigError:
    return ConfigError("MV1002", what, expected=expected)

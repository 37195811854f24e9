"""The folder that a report generator is kept in: what was trained, apart from what was given.

``model.safetensors`` holds the network for scans and the projection, ``adapter.safetensors`` LoRA
where there is some, and ``decoder/`` the language model in its release's layout. A released
language model that training left as it was is not copied: the folder keeps its hash, and it is
given again when the generator is loaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import safetensors.torch
from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.io import write_json
from medvlp.models.bundle_files import check_bundle_files, publish_bundle
from medvlp.models.bundle_schema import TOKENIZER_FILE, WEIGHTS_FILE, Provenance
from medvlp.models.decoder_folder import load_decoder
from medvlp.models.decoder_text import LoraSettings
from medvlp.models.importers.source import read_json_object
from medvlp.models.report_generator import PromptSettings, ReportGenerator, WritingSettings
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.bundle_schema import VolumePreprocessingRecord
from medvlp.models.volume.settings import VolumeTowerSettings
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.models.weights import (
    check_finite,
    load_weights_into,
    read_safetensors,
    weights_sha256,
)
from medvlp.text.writing_tokenizer import WritingTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from medvlp.models.decoder_text import DecoderText
    from medvlp.types import VolumePreprocessing

__all__ = [
    "REPORT_GENERATOR_FILE",
    "ReportGeneratorCard",
    "ReportGeneratorMeta",
    "load_report_generator",
    "load_writing_decoder",
    "read_generator_meta",
    "save_report_generator",
]

REPORT_GENERATOR_FILE = "report_generator.json"
ADAPTER_FILE = "adapter.safetensors"
DECODER_FOLDER = "decoder"
FORMAT_VERSION: Final = 1
_DECODER_FILES = ("config.json", WEIGHTS_FILE, TOKENIZER_FILE)
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ReportGeneratorMeta(StrictModel):
    """What ``report_generator.json`` says.

    Attributes:
        format: Always ``medvlp-report-generator``.
        format_version: Version of this layout.
        name: The generator's name.
        image: The network for scans.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        prompt: What stands before a report.
        writing: How reports are written.
        lora: Small matrices beside the language model's weights; None without.
        decoder: Name of the language model's release; None where it lies in the folder.
        decoder_sha256: Hash of the language model's tensors without LoRA.
        end_id: Token that ends a report.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-report-generator"] = "medvlp-report-generator"
    format_version: Literal[1] = FORMAT_VERSION
    name: Name
    image: VolumeTowerSettings
    preprocessing: VolumePreprocessingRecord
    prompt: PromptSettings
    writing: WritingSettings
    lora: LoraSettings | None
    decoder: Name | None
    decoder_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    end_id: Annotated[int, Field(ge=0)]
    provenance: Provenance
    license: str
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ReportGeneratorCard:
    """What a generator's folder says besides the weights.

    Attributes:
        name: The generator's name.
        image: The network for scans.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        writing: How reports are written.
        lora: LoRA that the language model has; None without.
        release: Name of the language model's release; None keeps its weights in the folder.
        provenance: What it was trained on.
        license: Licence of the weights.
    """

    name: str
    image: VolumeTowerSettings
    preprocessing: VolumePreprocessing
    writing: WritingSettings
    lora: LoraSettings | None
    release: str | None
    provenance: Provenance
    license: str


def load_writing_decoder(
    folder: Path, *, dropout: float = 0.0
) -> tuple[DecoderText, WritingTokenizer]:
    """Read a language model that writes, from a release's folder.

    Args:
        folder: The folder; its weights are safetensors.
        dropout: Probability of dropping an attention weight in training.

    Raises:
        ModelError: If it cannot be read (MV14xx), or cannot write (MV1781).
    """
    loaded = load_decoder(folder, dropout=dropout)
    if loaded.meta is not None:
        raise _cannot_write(folder, "it was trained to see both ways, as a text tower")
    ends = loaded.model.network.config.eos_token_id
    end_id = ends[0] if isinstance(ends, list) and ends else ends
    if not isinstance(end_id, int):
        raise _cannot_write(folder, f"config.json has eos_token_id {ends!r}")
    try:
        return loaded.model, WritingTokenizer(loaded.tokenizer.to_json(), end_id)
    except ValueError as error:
        raise _cannot_write(folder, str(error)) from error


def save_report_generator(
    folder: Path, model: ReportGenerator, card: ReportGeneratorCard
) -> ReportGeneratorMeta:
    """Write a generator; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        model: The generator, on any device.
        card: What else is to be said.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    decoder = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.decoder_state().items()
    }
    adapter = {name: tensor.cpu().contiguous() for name, tensor in model.adapter_state().items()}
    check_finite(decoder | adapter, card.name)
    others: dict[str, Callable[[Path], None]] = {}
    if adapter:
        others[ADAPTER_FILE] = lambda path: _write_tensors(path, adapter)
    if card.release is None:
        config = _config_of(model)
        writers: tuple[Callable[[Path], None], ...] = (
            lambda path: write_json(path, config),
            lambda path: _write_tensors(path, decoder),
            lambda path: _write_text(path, model.tokenizer.to_json()),
        )
        others |= {
            f"{DECODER_FOLDER}/{name}": _into_folder(write)
            for name, write in zip(_DECODER_FILES, writers, strict=True)
        }

    def describe(files: dict[str, str]) -> ReportGeneratorMeta:
        return ReportGeneratorMeta(
            name=card.name,
            image=card.image,
            preprocessing=VolumePreprocessingRecord(**asdict(card.preprocessing)),
            prompt=model.prompt,
            writing=card.writing,
            lora=card.lora,
            decoder=card.release,
            decoder_sha256=weights_sha256(decoder),
            end_id=model.tokenizer.end_id,
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    return publish_bundle(
        folder, model.own_state(), others, describe, card.name, listing=REPORT_GENERATOR_FILE
    )


def load_report_generator(
    folder: Path, *, decoder_from: Path | None = None, dropout: float = 0.0
) -> tuple[ReportGenerator, ReportGeneratorMeta]:
    """Read what :func:`save_report_generator` wrote; hashes are checked before use.

    Args:
        folder: The folder.
        decoder_from: Folder of the released language model, where the folder does not hold it.
        dropout: Probability of dropping an attention weight in further training.

    Returns:
        The generator in evaluation mode, and its description.

    Raises:
        ModelError: If a file is missing (MV1403, MV1410), changed (MV1404), damaged (MV1414) or
            does not fit (MV1405, MV1407, MV1409), or the language model is not given or another
            (MV1782).
    """
    meta = read_generator_meta(folder)
    check_bundle_files(folder, meta.files, listing=REPORT_GENERATOR_FILE)
    decoder, tokenizer = load_writing_decoder(
        _decoder_folder(folder, meta, decoder_from), dropout=dropout
    )
    shape = network_shape(meta.preprocessing.to_preprocessing())
    tower = build_volume_tower(meta.image, shape)
    model = ReportGenerator(tower, decoder, tokenizer, meta.prompt)
    if weights_sha256(model.decoder_state()) != meta.decoder_sha256:
        raise ModelError(
            "MV1782",
            f"the language model of {folder} is another than it was trained with",
            expected=f"the release {meta.decoder}",
        )
    own = read_safetensors(folder / WEIGHTS_FILE)
    for part, module in (("volume_tower", tower), ("projection", model.projection)):
        prefix = f"{part}."
        state = {n.removeprefix(prefix): t for n, t in own.items() if n.startswith(prefix)}
        load_weights_into(module, state, str(folder))
    if meta.lora is not None:
        decoder.add_lora(meta.lora)
        _take_adapter(model, read_safetensors(folder / ADAPTER_FILE), str(folder))
    return model.eval(), meta


def read_generator_meta(folder: Path) -> ReportGeneratorMeta:
    """Read the description alone.

    Raises:
        ModelError: If it is missing (MV1403) or is none (MV1407).
    """
    path = folder / REPORT_GENERATOR_FILE
    if not path.is_file():
        raise ModelError(
            "MV1403",
            f"{path} does not exist",
            expected="a folder that training of report generation wrote",
        )
    try:
        return parse_model(read_json_object(path), ReportGeneratorMeta, source=str(path))
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error


def _decoder_folder(folder: Path, meta: ReportGeneratorMeta, given: Path | None) -> Path:
    if (meta.decoder is None) == (given is None):
        return folder / DECODER_FOLDER if given is None else given
    if meta.decoder is None:
        raise ModelError(
            "MV1782",
            f"{folder} holds its language model, and {given} is given beside it",
            expected="no other language model",
        )
    raise ModelError(
        "MV1782",
        f"{folder} does not hold its language model",
        expected=f"the folder of the release {meta.decoder}",
    )


def _take_adapter(model: ReportGenerator, adapter: dict[str, torch.Tensor], where: str) -> None:
    wanted = model.adapter_state()
    if wanted.keys() != adapter.keys():
        names = sorted(wanted.keys() ^ adapter.keys())
        raise ModelError("MV1409", f"{ADAPTER_FILE} of {where} does not fit: {names[:4]}")
    network = model.decoder.network
    load_weights_into(network, network.state_dict() | adapter, where)


def _config_of(model: ReportGenerator) -> Any:  # noqa: ANN401  JSON
    network = model.decoder.network
    config = network.config.to_dict() | {
        "architectures": [type(network).__name__],
        "eos_token_id": model.tokenizer.end_id,
    }
    return json.loads(json.dumps(config, default=str))


def _into_folder(write: Callable[[Path], None]) -> Callable[[Path], None]:
    def written(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        write(path)

    return written


def _write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _cannot_write(folder: Path, why: str) -> ModelError:
    return ModelError(
        "MV1781",
        f"the language model of {folder} cannot write: {why}",
        expected="a causal language model with a byte-pair tokenizer and a token that ends a text",
    )

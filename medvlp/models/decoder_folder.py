"""Folders of decoder text towers: what a language model's release holds, and what training writes.

A folder that training wrote is a release's layout (``config.json``, ``model.safetensors``,
``tokenizer.json``) with ``decoder_text.json`` beside it, so that training can begin with either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import safetensors.torch
from pydantic import Field
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.io import content_sha256, publish_folder, write_json
from medvlp.models.bundle_schema import TOKENIZER_FILE, WEIGHTS_FILE, Provenance
from medvlp.models.decoder_text import DECODER_FAMILIES, DecoderText
from medvlp.models.importers.source import read_json_object
from medvlp.models.weights import check_finite
from medvlp.text.file_tokenizer import load_report_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from medvlp.models.text_tower import TextTowerCard
    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = [
    "DECODER_FILE",
    "DecoderTextMeta",
    "LoadedDecoder",
    "is_decoder_folder",
    "load_decoder",
    "save_decoder",
]

DECODER_FILE = "decoder_text.json"
CONFIG_FILE = "config.json"
FORMAT_VERSION: Final = 1
_SHOWN = 4


class DecoderTextMeta(StrictModel):
    """A decoder text tower's description.

    Attributes:
        format: Always ``medvlp-decoder-text``.
        format_version: Version of this layout.
        name: The tower's name.
        template: What a text is put into before it is cut into tokens, with one ``{}``.
        max_tokens: Largest number of tokens of a text.
        dim: Length of an embedding.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-decoder-text"] = "medvlp-decoder-text"
    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    template: Annotated[str, Field(pattern=r"(?s)^[^{}]*\{\}[^{}]*$")] = "{}"
    max_tokens: Annotated[int, Field(ge=4)]
    dim: Annotated[int, Field(ge=1)]
    provenance: Provenance
    license: str
    files: dict[str, str]


@dataclass(frozen=True)
class LoadedDecoder:
    """A decoder read from its folder.

    Attributes:
        model: The decoder with its weights.
        tokenizer: Its tokenizer.
        meta: Its description; None of a release that training has not written.
    """

    model: DecoderText
    tokenizer: ReportTokenizer
    meta: DecoderTextMeta | None


def is_decoder_folder(folder: Path) -> bool:
    """Tell whether a folder holds a decoder that can be read, by its ``config.json``."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") in DECODER_FAMILIES


def save_decoder(
    folder: Path,
    model: DecoderText,
    tokenizer: ReportTokenizer,
    card: TextTowerCard,
    *,
    max_tokens: int,
    template: str = "{}",
) -> DecoderTextMeta:
    """Write a decoder text tower; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        model: The decoder, LoRA merged, on any device.
        tokenizer: The tokenizer that it was trained with.
        card: Name, provenance and licence.
        max_tokens: Largest number of tokens of a text.
        template: What texts were put into.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    network = model.network
    tied = set(network.all_tied_weights_keys or ())
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if name not in tied
    }
    check_finite(state, card.name)
    with publish_folder(folder) as partial:
        safetensors.torch.save_file(state, partial / WEIGHTS_FILE, metadata={"format": "pt"})
        (partial / TOKENIZER_FILE).write_text(tokenizer.to_json(), encoding="utf-8")
        config = network.config.to_dict() | {"architectures": [type(network).__name__]}
        write_json(partial / CONFIG_FILE, json.loads(json.dumps(config, default=str)))
        meta = DecoderTextMeta(
            name=card.name,
            template=template,
            max_tokens=max_tokens,
            dim=model.dim,
            provenance=card.provenance,
            license=card.license,
            files={
                name: content_sha256(partial / name)
                for name in (WEIGHTS_FILE, TOKENIZER_FILE, CONFIG_FILE)
            },
        )
        write_json(partial / DECODER_FILE, meta.model_dump(mode="json"))
    return meta


def load_decoder(folder: Path, *, dropout: float = 0.0) -> LoadedDecoder:
    """Read a decoder: a release of the families known, or what training wrote.

    No code of the folder is run and no pickle is read; every weight must be there.

    Args:
        folder: The folder.
        dropout: Probability of dropping an attention weight in training.

    Raises:
        ModelError: If a file is missing (MV1403, MV1410), changed (MV1404), not of a known family
            or unreadable (MV1407), lacks weights (MV1409), or holds NaN (MV1405).
    """
    meta = _read_meta(folder)
    settings = read_json_object(folder / CONFIG_FILE)
    family = settings.get("model_type")
    if family not in DECODER_FAMILIES:
        raise ModelError(
            "MV1407",
            f"{folder / CONFIG_FILE} has model_type {family!r}",
            expected=f"one of {DECODER_FAMILIES}",
        )
    library: Any = AutoModelForCausalLM  # without annotations of its own
    try:
        config = CONFIG_MAPPING[family].from_dict(settings | {"attention_dropout": dropout})
        network, loading = library.from_pretrained(
            folder,
            config=config,
            dtype="auto",
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(
            "MV1407",
            f"{folder} cannot be read as a decoder ({str(error).splitlines()[0]})",
            expected="config.json and .safetensors weights of a causal language model",
            hint="download the folder again",
        ) from error
    _check_loading(folder, loading)
    check_finite(network.state_dict(), str(folder))
    tokenizer = load_report_tokenizer(folder / TOKENIZER_FILE)
    model = DecoderText(network.train())  # the library hands it over without dropout
    if tokenizer.vocab_size > model.vocab_size:
        raise ModelError(
            "MV1409",
            f"{folder / TOKENIZER_FILE} has {tokenizer.vocab_size} pieces, the decoder "
            f"{model.vocab_size}",
        )
    return LoadedDecoder(model, tokenizer, meta)


def _read_meta(folder: Path) -> DecoderTextMeta | None:
    path = folder / DECODER_FILE
    if not path.is_file():
        return None
    try:
        meta = parse_model(read_json_object(path), DecoderTextMeta, source=str(path))
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error
    for name, expected in meta.files.items():
        if not (folder / name).is_file():
            raise ModelError("MV1403", f"{folder / name} does not exist")
        if content_sha256(folder / name) != expected:
            raise ModelError(
                "MV1404",
                f"{folder / name} is not the file that {DECODER_FILE} was written with",
                hint="copy the whole folder again",
            )
    return meta


def _check_loading(folder: Path, loading: Mapping[str, Iterable[object]]) -> None:
    """Refuse weights that the library would have filled up at random, or left out."""
    kinds = ("missing_keys", "mismatched_keys", "unexpected_keys")
    wrong = sorted(str(name) for kind in kinds for name in loading[kind])
    if wrong:
        raise ModelError(
            "MV1409",
            f"the weights of {folder} do not fit its config.json: {', '.join(wrong[:_SHOWN])}",
            hint="the files are of two models, or one is missing; download the folder again",
        )

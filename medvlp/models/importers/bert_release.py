"""The text tower of a released network for radiographs: sizes, tokenizer and weights of a BERT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.folders import model_label
from medvlp.models.importers.bert import (
    POSITION_BUFFERS,
    bert_settings,
    read_bert_tokenizer,
    text_tower_settings,
)
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.keys import drop_known_buffers
from medvlp.models.importers.release_shapes import (
    count_numbered,
    require,
    size_of,
    take_tensors,
    without_parts,
)
from medvlp.models.importers.source import open_source, read_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    import torch

    from medvlp.models.architecture import TextTowerSettings
    from medvlp.models.importers.records import ImportRequest
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["ReleasedBert", "read_text_model", "text_tower_of"]

_OURS = "text_tower.bert."
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_HEAD_WIDTH = 64
_SIZES = {
    "hidden_size": ("embeddings.word_embeddings.weight", 1),
    "vocab_size": ("embeddings.word_embeddings.weight", 0),
    "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
    "intermediate_size": ("encoder.layer.0.intermediate.dense.weight", 0),
}


@dataclass(frozen=True, kw_only=True)
class ReleasedBert:
    """A BERT of a release.

    Attributes:
        settings: Its sizes and how a text becomes a vector.
        tokenizer: Its tokenizer.
        tensors: Its weights by the names of transformers.
        source: Where they come from, for messages.
        files: The files that were read.
        notes: What a user must know of it, in sentences.
    """

    settings: TextTowerSettings
    tokenizer: CaptionTokenizer
    tensors: Mapping[str, torch.Tensor]
    source: str
    files: Sequence[Path] = ()
    notes: Sequence[str] = ()

    def take(self, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
        """Return the weights by our names.

        Args:
            wanted: Shapes by the names in our network.

        Raises:
            ModelError: If names (MV2105) or shapes (MV2106) differ.
        """
        return take_tensors(
            self.tensors, wanted, lambda name: name.removeprefix(_OURS), self.source
        )


def read_text_model(request: ImportRequest, max_tokens: int) -> ReleasedBert:
    """Read the text encoder that a user names with ``--text-model``, whose first token is used.

    Releases whose texts were embedded once, by a frozen encoder, hold none of it.

    Args:
        request: What the user asked for.
        max_tokens: Largest number of tokens of one text.

    Raises:
        ModelError: If none was named (MV2118), or it cannot be used (MV1410, MV21xx).
    """
    if request.text_model is None:
        raise ModelError(
            "MV2118",
            f"{request.source} holds no text encoder: its texts were embedded once, by a frozen "
            "one",
            expected="--text-model with that encoder, a folder or hf-hub:owner/name",
            hint="the authors name emilyalsentzer/Bio_ClinicalBERT",
        )
    source = open_source(request.text_model, _WEIGHTS)
    weights = source.weights(_WEIGHTS)
    tensors = without_parts(read_checkpoint(weights), ("cls.", "bert.pooler.", "pooler."))
    tensors = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    label = model_label(request.text_model, source.folder)
    note = f"Texts are read by {label}, first token of the last layer."
    return text_tower_of(
        request, tensors, weights, "cls", max_tokens, files=(weights,), notes=(note,)
    )


def text_tower_of(
    request: ImportRequest,
    tensors: Mapping[str, torch.Tensor],
    weights: Path,
    pooling: Literal["cls", "pooler"],
    max_tokens: int,
    *,
    files: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> ReleasedBert:
    """Return a text tower whose weights were read already.

    Sizes come from ``config.json`` of ``--text-model`` where one is there, else from the shapes,
    with heads of width 64. The tokenizer comes from ``--tokenizer``, ``--text-model`` or beside the
    weights.

    Args:
        request: What the user asked for.
        tensors: Weights by the names of transformers, all that there are and no others.
        weights: The file they come from.
        pooling: How a text becomes a vector.
        max_tokens: Largest number of tokens of one text.
        files: Files of weights besides the release's own.
        notes: What a user must know, in sentences.

    Raises:
        ModelError: If it is no BERT that our tower can be (MV2101, MV2105), or its tokenizer is
            missing or does not fit (MV2108).
    """
    tensors = drop_known_buffers(tensors, POSITION_BUFFERS)
    folder = open_source(request.text_model).folder if request.text_model else weights.parent
    config_path = folder / "config.json" if request.text_model else None
    has_config = config_path is not None and config_path.is_file()
    sizes_source = str(config_path if has_config else weights)
    values = (
        read_json_object(config_path)
        if has_config and config_path
        else _shape_values(tensors, str(weights))
    )
    sizes = bert_settings(values, sizes_source)
    tokenizer, token_files = read_bert_tokenizer(request.tokenizer or folder, sizes.vocab_size)
    settings = text_tower_settings(sizes, "none", sizes_source)
    changes = {
        "pooling": pooling,
        "max_tokens": min(max_tokens, sizes.max_position_embeddings),
    }
    config_files = [config_path] if has_config and config_path else []
    return ReleasedBert(
        settings=settings.model_copy(update=changes),
        tokenizer=tokenizer,
        tensors=tensors,
        source=str(weights),
        files=(*files, *config_files, *token_files),
        notes=notes,
    )


def _shape_values(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, int]:
    values = {
        name: size_of(require(tensors, key, source), axis) for name, (key, axis) in _SIZES.items()
    }
    values["num_hidden_layers"] = count_numbered(tensors, "encoder.layer.")
    values["num_attention_heads"] = max(1, values["hidden_size"] // _HEAD_WIDTH)
    return values

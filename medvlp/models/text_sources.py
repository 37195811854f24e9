"""Where a training may take its text tower from: knowledge training, or a BERT of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import medvlp
from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.decoder_tower import DecoderOrigin, DecoderTower, take_decoder
from medvlp.models.importers.bert import (
    POSITION_BUFFERS,
    bert_settings,
    read_bert_tokenizer,
    text_tower_settings,
)
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.source import ForeignModel, read_json_object
from medvlp.models.text_tower import (
    TEXT_TOWER_FILE,
    KnowledgeText,
    LoadedText,
    TextTowerMeta,
    load_text_tower,
    take_text_tower,
)
from medvlp.models.weights import load_weights_into
from medvlp.text.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.dual_encoder import DualEncoder
    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["check_tokenizer", "give_text_tower", "open_text_tower"]

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_PREFIX = "bert."
_HEADS = "cls."
_OLD_NAMES = {".LayerNorm.gamma": ".LayerNorm.weight", ".LayerNorm.beta": ".LayerNorm.bias"}


def open_text_tower(folder: Path) -> LoadedText:
    """Read a text tower, whoever wrote it.

    Args:
        folder: What knowledge training wrote, or a BERT of transformers: ``config.json``, weights,
            and ``vocab.txt`` or ``tokenizer.json``. Such a BERT has no projection, and the heads of
            its own pretraining are left out.

    Raises:
        ModelError: If it is neither, or cannot be used (MV14xx, MV21xx).
    """
    if (folder / TEXT_TOWER_FILE).is_file() or not (folder / "config.json").is_file():
        return load_text_tower(folder)
    files = ForeignModel(folder)
    config = folder / "config.json"
    sizes = bert_settings(read_json_object(config), str(config))
    settings = text_tower_settings(sizes, "none", str(config))
    tokenizer, _ = read_bert_tokenizer(folder, sizes.vocab_size)
    model = KnowledgeText(settings, sizes.vocab_size, settings.width)
    tensors = read_checkpoint(files.require(_WEIGHTS, "BERT weights"))
    state = {
        _current_name(name): tensor.float()
        for name, tensor in tensors.items()
        if not name.startswith(_HEADS) and not name.endswith(POSITION_BUFFERS)
    }
    load_weights_into(model, state, str(folder))
    meta = TextTowerMeta(
        name=folder.resolve().name,
        settings=settings,
        embed_dim=settings.width,
        vocab_size=sizes.vocab_size,
        provenance=Provenance(medvlp_version=medvlp.__version__),
        license="as its authors say",
        files={},
    )
    return LoadedText(model, tokenizer, meta)


def give_text_tower(
    model: DualEncoder, folder: Path, tokenizer: ReportTokenizer
) -> TextTowerMeta | DecoderOrigin:
    """Give a dual encoder the text tower of a folder.

    Args:
        model: The dual encoder.
        folder: As for :func:`open_text_tower`; or, for a decoder, a release of it.
        tokenizer: The tokenizer that the dual encoder's captions come from.

    Returns:
        Where the weights come from.

    Raises:
        ModelError: If the folder cannot be used (MV14xx, MV21xx) or is of another tower (MV1409) or
            tokenizer (MV2043).
    """
    if isinstance(model.text_tower, DecoderTower):
        return take_decoder(model.text_tower, folder, tokenizer)
    source = open_text_tower(folder)
    take_text_tower(model, source, check_tokenizer(tokenizer), str(folder))
    return source.meta


def check_tokenizer(tokenizer: ReportTokenizer) -> CaptionTokenizer:
    """Return the tokenizer if a BERT takes it.

    Raises:
        ModelError: If it is a decoder's (MV1410).
    """
    if not isinstance(tokenizer, CaptionTokenizer):
        raise ModelError(
            "MV1410",
            "data.tokenizer.file is a decoder's tokenizer, and the text tower is a BERT",
            expected="a lower-case WordPiece tokenizer, or model.encoder.decoder",
        )
    return tokenizer


def _current_name(name: str) -> str:
    """Return the name in our tower; old files call the weights of layer norms gamma and beta."""
    inner = name.removeprefix(_PREFIX)
    for old, new in _OLD_NAMES.items():
        if inner.endswith(old):
            inner = inner.removesuffix(old) + new
    return f"text_tower.bert.{inner}"

"""A text tower on its own, as knowledge training makes it, and the folder it is kept in.

Letters: B batch, D embedding, T tokens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol

import safetensors.torch
import torch
from pydantic import Field
from torch import nn
from transformers import BertConfig, BertModel

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.io import content_sha256, publish_folder, write_json
from medvlp.models.architecture import Projection, TextTowerSettings
from medvlp.models.bundle_schema import TOKENIZER_FILE, WEIGHTS_FILE, Provenance
from medvlp.models.timm_towers import with_local_seed
from medvlp.models.weights import check_finite, load_weights_into, read_safetensors
from medvlp.text.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.architecture import DualEncoderSettings

__all__ = [
    "TEXT_TOWER_FILE",
    "KnowledgeText",
    "LoadedText",
    "TakesText",
    "TextTower",
    "TextTowerCard",
    "TextTowerMeta",
    "build_projection",
    "fill_text_side",
    "load_text_tower",
    "save_text_tower",
    "take_knowledge_text",
    "take_text_tower",
]

TEXT_TOWER_FILE = "text_tower.json"
_MAX_BYTES = 16 * 2**20
FORMAT_VERSION: Final = 1


class TextTower(nn.Module):
    """A BERT that makes one vector of a text.

    Args:
        settings: Its size and how a text becomes a vector.
        vocab_size: Number of pieces of the tokenizer.
    """

    def __init__(self, settings: TextTowerSettings, vocab_size: int) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=vocab_size,
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=settings.feedforward,
            max_position_embeddings=settings.positions or settings.max_tokens,
            hidden_dropout_prob=settings.dropout,
            attention_probs_dropout_prob=settings.dropout,
            pad_token_id=0,
        )
        self.pooling = settings.pooling
        self.bert = BertModel(config, add_pooling_layer=settings.pooling == "pooler")

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, width)``.
        """
        return self.encode(ids, mask)[1]

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens of texts, shape ``(B, T, width)``, and what ``forward`` returns.

        B may be 0, as on a rank whose share of a batch has no text.
        """
        if not len(ids):  # of which the library can make nothing
            one = (1, ids.shape[1])
            of_one = self.encode(ids.new_zeros(one), mask.new_ones(one))
            return of_one[0][:0], of_one[1][:0]
        output = self.bert(input_ids=ids, attention_mask=mask.long())
        tokens: torch.Tensor = output.last_hidden_state
        if self.pooling == "pooler":
            return tokens, output.pooler_output
        if self.pooling == "cls":
            return tokens, tokens[:, 0]
        weight = mask.unsqueeze(-1).to(tokens.dtype)
        return tokens, (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def build_projection(kind: Projection, width: int, embed_dim: int, tower: str) -> nn.Module:
    """Return the head that maps a tower's features into the shared space.

    Args:
        kind: ``none``, ``linear``, or ``mlp`` (linear, GELU, linear).
        width: Length of the tower's features.
        embed_dim: Length of an embedding.
        tower: Name of the tower, for the message.

    Raises:
        ModelError: If there is to be none and the lengths differ (MV1407).
    """
    if kind == "none":
        if width != embed_dim:
            raise ModelError(
                "MV1407",
                f"tower {tower!r} gives {width} features and has no projection to {embed_dim}",
                expected=f"embed_dim {width}, or a projection",
            )
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(width, embed_dim, bias=False)
    return nn.Sequential(nn.Linear(width, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))


class KnowledgeText(nn.Module):
    """A text tower and its projection; its weights bear the names they have in a dual encoder.

    Args:
        settings: The tower.
        vocab_size: Number of pieces of the tokenizer.
        embed_dim: Length D of an embedding.
        seed: Fixes the random weights; the program's random state is left as it was.
    """

    def __init__(
        self, settings: TextTowerSettings, vocab_size: int, embed_dim: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.settings = settings
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim

        def build() -> tuple[nn.Module, nn.Module]:
            return (
                TextTower(settings, vocab_size),
                build_projection(settings.projection, settings.width, embed_dim, "text"),
            )

        self.text_tower, self.text_projection = with_local_seed(build, seed)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts as unit vectors.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, D)``, float32.
        """
        projected: torch.Tensor = self.text_projection(self.text_tower(ids, mask))
        return nn.functional.normalize(projected.float(), dim=-1)


@dataclass(frozen=True, kw_only=True)
class TextTowerCard:
    """What a text tower's folder says besides the architecture.

    Attributes:
        name: The tower's name.
        provenance: What it was trained on, and whether UMLS text was among it.
        license: Licence of the weights.
    """

    name: str
    provenance: Provenance
    license: str


class TextTowerMeta(StrictModel):
    """A text tower's description.

    Attributes:
        format: Always ``medvlp-text-tower``.
        format_version: Version of this layout.
        name: The tower's name.
        settings: The tower.
        embed_dim: Length of an embedding.
        vocab_size: Number of pieces of the tokenizer.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-text-tower"] = "medvlp-text-tower"
    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    settings: TextTowerSettings
    embed_dim: Annotated[int, Field(ge=1)]
    vocab_size: Annotated[int, Field(ge=1)]
    provenance: Provenance
    license: str
    files: dict[str, str]


class TakesText(Protocol):
    """A model whose text tower can be given: a dual encoder."""

    settings: DualEncoderSettings
    text_tower: nn.Module
    text_projection: nn.Module


@dataclass(frozen=True)
class LoadedText:
    """A text tower read from its folder.

    Attributes:
        model: The tower with its weights.
        tokenizer: The tokenizer it was trained with.
        meta: Its description.
    """

    model: KnowledgeText
    tokenizer: CaptionTokenizer
    meta: TextTowerMeta


def save_text_tower(
    folder: Path, model: KnowledgeText, tokenizer: CaptionTokenizer, card: TextTowerCard
) -> TextTowerMeta:
    """Write a text tower; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        model: The tower, on any device.
        tokenizer: The tokenizer that it was trained with.
        card: What else is to be said.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    check_finite(state, card.name)
    with publish_folder(folder) as partial:
        safetensors.torch.save_file(state, partial / WEIGHTS_FILE, metadata={"format": "pt"})
        (partial / TOKENIZER_FILE).write_text(tokenizer.to_json(), encoding="utf-8")
        meta = TextTowerMeta(
            name=card.name,
            settings=model.settings,
            embed_dim=model.embed_dim,
            vocab_size=model.vocab_size,
            provenance=card.provenance,
            license=card.license,
            files={f: content_sha256(partial / f) for f in (WEIGHTS_FILE, TOKENIZER_FILE)},
        )
        write_json(partial / TEXT_TOWER_FILE, meta.model_dump(mode="json"))
    return meta


def load_text_tower(folder: Path) -> LoadedText:
    """Read a text tower; every file's hash is checked before use.

    Raises:
        ModelError: If a file is missing (MV1403, MV1410), changed (MV1404), damaged (MV1414), or
            does not fit the description (MV1407, MV1409).
    """
    meta = _read_meta(folder)
    for name, expected in meta.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError("MV1403", f"{path} does not exist", expected="a text tower's folder")
        if content_sha256(path) != expected:
            raise ModelError(
                "MV1404",
                f"{path} is not the file that {TEXT_TOWER_FILE} was written with",
                hint="copy the whole folder again",
            )
    model = KnowledgeText(meta.settings, meta.vocab_size, meta.embed_dim)
    load_weights_into(model, read_safetensors(folder / WEIGHTS_FILE), str(folder))
    return LoadedText(model, CaptionTokenizer.load(folder / TOKENIZER_FILE), meta)


def take_text_tower(
    model: TakesText, source: LoadedText, tokenizer: CaptionTokenizer, where: str
) -> None:
    """Give a dual encoder the text tower of another training; names and shapes must all agree.

    Args:
        model: The dual encoder.
        source: The text tower.
        tokenizer: The tokenizer that the dual encoder's captions come from.
        where: Where the text tower comes from, for messages.

    Raises:
        ModelError: If the towers differ (MV1409) or the tokenizers do (MV2043).
    """
    parts = nn.ModuleDict(
        {"text_tower": model.text_tower, "text_projection": model.text_projection}
    )
    fill_text_side(parts, model.settings.text, source, tokenizer, where)


def fill_text_side(
    parts: nn.Module,
    settings: TextTowerSettings,
    source: LoadedText,
    tokenizer: CaptionTokenizer,
    where: str,
) -> None:
    """Give ``text_tower`` and ``text_projection`` of any model the weights of another training.

    Args:
        parts: A module of these two.
        settings: The text tower's settings.
        source: The other training's text tower.
        tokenizer: The tokenizer that the model's texts come from.
        where: Where the other comes from, for messages.

    Raises:
        ModelError: If the towers differ (MV1409) or the tokenizers do (MV2043).
    """
    _check_same(settings, source, tokenizer, where)
    load_weights_into(parts, source.model.state_dict(), where)


def take_knowledge_text(
    model: KnowledgeText, source: LoadedText, tokenizer: CaptionTokenizer, where: str
) -> None:
    """Give a text tower the weights of another; as :func:`take_text_tower`.

    Args:
        model: The text tower.
        source: The other.
        tokenizer: The tokenizer of the texts to come.
        where: Where the other comes from, for messages.

    Raises:
        ModelError: If the towers differ (MV1409) or the tokenizers do (MV2043).
    """
    _check_same(model.settings, source, tokenizer, where)
    load_weights_into(model, source.model.state_dict(), where)


def _check_same(
    wanted: TextTowerSettings, source: LoadedText, tokenizer: CaptionTokenizer, where: str
) -> None:
    ours, theirs = (s.model_dump(exclude={"dropout"}) for s in (wanted, source.meta.settings))
    differing = [f"{k} {theirs[k]!r} there, {v!r} here" for k, v in ours.items() if theirs[k] != v]
    if differing:
        raise ModelError(
            "MV1409",
            f"the text tower of {where} is another: {'; '.join(differing)}",
            expected="a text tower with the settings that this one was trained with",
        )
    if source.tokenizer.vocabulary != tokenizer.vocabulary:
        raise ModelError(
            "MV2043",
            f"the text tower of {where} was trained with another tokenizer than data.tokenizer",
            expected=f"data.tokenizer.file: {where}/{TOKENIZER_FILE}",
        )


def _read_meta(folder: Path) -> TextTowerMeta:
    path = folder / TEXT_TOWER_FILE
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError("MV1407", f"{path} is larger than {_MAX_BYTES} bytes")
        document = json.loads(path.read_bytes())
        return parse_model(document, TextTowerMeta, source=str(path))
    except FileNotFoundError as error:
        raise ModelError(
            "MV1403", f"{path} does not exist", expected="a folder that knowledge training wrote"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("MV1407", f"{path} cannot be read as JSON ({error})") from error
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error

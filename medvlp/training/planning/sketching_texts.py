"""Sketch the networks of trainings on texts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medvlp.data.masking import MaskingSettings
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.flops import TRAINING_PASSES, count_flops
from medvlp.models.masked_text import MaskedBert
from medvlp.models.text_tower import KnowledgeText
from medvlp.training.planning.sketches import Sketch, recompute_blocks, settings_of, vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from medvlp.training.planning.parsing import ParsedRun

__all__ = ["sketch_knowledge", "sketch_reports"]


def sketch_knowledge(run: ParsedRun) -> Sketch:
    """Sketch the text tower of a training on a knowledge graph.

    Args:
        run: The run.
    """
    dim = int(run.config["model"]["embed_dim"])
    tower, notes = _bert(run, dim)

    def embed(ids: torch.Tensor, mask: torch.Tensor) -> object:
        return tower(ids, mask)

    return _sketch(run, tower, _parts(tower), embed, notes=notes, embed_dim=dim)


def sketch_reports(run: ParsedRun) -> Sketch | None:
    """Sketch the text tower of a training on reports; None for a decoder.

    Args:
        run: The run.
    """
    model = run.config["model"]
    if model.get("text") is None:
        return None
    settings = settings_of(run, "model.text", TextTowerSettings)
    dim = int(model.get("embed_dim") or settings.width)
    tower, notes = _bert(run, dim)
    if model["phase"] == "simcse":

        def embed_twice(ids: torch.Tensor, mask: torch.Tensor) -> object:
            return tower(ids, mask), tower(ids, mask)

        return _sketch(run, tower, _parts(tower), embed_twice, notes=notes, embed_dim=dim)
    with torch.device("meta"):
        masked = MaskedBert(tower)
    masking = run.config["data"].get("masking") or {}
    share = float(masking.get("rate", MaskingSettings().rate))

    def name_hidden(ids: torch.Tensor, mask: torch.Tensor) -> object:
        bert: Any = tower.text_tower.bert
        features = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        hidden = features.flatten(0, 1)[: max(1, round(share * ids.numel()))]
        logits = masked.head(hidden, bert.embeddings.word_embeddings.weight)
        return nn.functional.cross_entropy(logits.float(), ids.flatten()[: len(hidden)])

    parts = {**_parts(tower), "head that names tokens": masked.head}
    note = f"{share:.0%} of the tokens are hidden, each with logits of all pieces"
    return _sketch(run, tower, parts, name_hidden, notes=(*notes, note), embed_dim=0)


def _bert(run: ParsedRun, dim: int) -> tuple[KnowledgeText, tuple[str, ...]]:
    pieces, notes = vocabulary_of(run)
    settings = settings_of(run, "model.text", TextTowerSettings)
    with torch.device("meta"):
        return KnowledgeText(settings, pieces, dim).train(), notes


def _parts(tower: KnowledgeText) -> dict[str, nn.Module]:
    return {"text tower": tower.text_tower, "text projection": tower.text_projection}


def _sketch(
    run: ParsedRun,
    tower: KnowledgeText,
    parts: dict[str, nn.Module],
    embed: Callable[[torch.Tensor, torch.Tensor], object],
    *,
    notes: tuple[str, ...],
    embed_dim: int,
) -> Sketch:
    tokens = int(run.config["data"]["max_tokens"])

    def forward(count: int) -> Callable[[], object]:
        ids = torch.zeros(count, tokens, dtype=torch.long)
        mask = torch.ones(count, tokens, dtype=torch.bool)
        return lambda: embed(ids, mask)

    with torch.device("meta"):
        flops = count_flops(forward(1))
    return Sketch(
        parts=parts,
        forward=forward,
        step_flops=TRAINING_PASSES * flops,
        flops_parts={"text": flops},
        batch_bytes=tokens * (8 + 1),
        embed_dim=embed_dim,
        recompute=lambda: recompute_blocks(tower.text_tower),
        notes=(*notes, f"texts of {tokens} tokens, the longest that data.max_tokens lets through"),
    )

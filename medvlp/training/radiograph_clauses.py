"""Clauses of the texts about findings: what is said of a finding, one thing at a time.

Letters: N texts or clauses, C findings, T tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvlp.data.batch import TextTokens
from medvlp.data.radiograph_batch import FacetTexts
from medvlp.knowledge.facets import FACET_KINDS

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["cut_clauses", "draw_clauses"]

_START, _END, _PAD = "[CLS]", "[SEP]", "[PAD]"
_CUTS = (",", ";", ".", ":", "and")
_NAME = FACET_KINDS.index("name")


def cut_clauses(texts: FacetTexts, tokenizer: CaptionTokenizer) -> FacetTexts:
    """Cut definitions and appearances at their marks and at ``and``.

    Clauses that several findings share are what their texts have in common: a clause fits an image
    where a finding with it is present. Names are left whole.

    Args:
        texts: What the book says of the findings.
        tokenizer: The tokenizer of the texts.

    Returns:
        Clauses, each once for each finding.
    """
    vocabulary = tokenizer.vocabulary
    start, end, pad = (vocabulary[piece] for piece in (_START, _END, _PAD))
    cuts = {vocabulary[mark] for mark in _CUTS if mark in vocabulary}
    found: dict[tuple[int, tuple[int, ...]], int] = {}
    lengths = texts.tokens.mask.sum(1).tolist()
    columns = (texts.tokens.ids.tolist(), lengths, texts.class_index.tolist(), texts.kind.tolist())
    for row, length, finding, kind in zip(*columns, strict=True):
        words = [token for token in row[:length] if token not in (start, end)]
        clauses = [tuple(words)] if kind == _NAME else _split(words, cuts)
        for clause in clauses:
            found.setdefault((finding, clause), kind)
    rows = [[start, *clause, end] for _, clause in found]
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    sizes = torch.tensor([len(row) for row in rows])
    return FacetTexts(
        tokens=TextTokens(ids=ids, mask=torch.arange(longest) < sizes.unsqueeze(1)),
        class_index=torch.tensor([finding for finding, _ in found]),
        kind=torch.tensor(list(found.values())),
        names=texts.names,
    )


def draw_clauses(number: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw some different clauses, and return their rows with every finding that has them.

    Args:
        number: Equal for equal clauses, shape ``(N,)``, int64.
        count: Number of different clauses.
        generator: Source of chance, of the CPU.

    Returns:
        Rows, ascending, int64, on the CPU.
    """
    chosen = torch.randperm(int(number.max()) + 1, generator=generator)[:count]
    return torch.isin(number.cpu(), chosen).nonzero()[:, 0]


def _split(words: list[int], cuts: set[int]) -> list[tuple[int, ...]]:
    clauses: list[tuple[int, ...]] = [()]
    for word in words:
        if word in cuts:
            clauses.append(())
        else:
            clauses[-1] = (*clauses[-1], word)
    return [clause for clause in clauses if clause]

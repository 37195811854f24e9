"""Texts of findings in training: which of them a step reads, and vectors kept between steps.

Letters: N texts, C findings, n texts of a step, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.knowledge.facets import FACET_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medvlp.data.radiograph_batch import FacetTexts

__all__ = ["FacetDraws", "FacetVectors", "draw_texts", "number_texts"]

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
_NAME, _DEFINITION, _APPEARANCE = (
    FACET_KINDS.index(kind) for kind in ("name", "definition", "appearance")
)


class FacetDraws(StrictModel):
    """Which texts of a finding a step reads [R].

    A finding that is known by different words each time is learnt by what they mean; one that is
    always asked by its name is learnt by its name. Every finding keeps one text at least.

    Attributes:
        one_name: Whether one of a finding's names is drawn each time; else all of them are read.
        appearances: Number of appearance sentences drawn each time; None reads all.
        drop_name: Chance that a finding is asked without its name.
        drop_definition: Chance that it is asked without its definition.
        drop_appearance: Chance of each drawn appearance sentence to be left out.
        clauses: Number of different clauses of definitions and appearances that the decoder is
            asked in a step, one at a time, instead of whole texts; what findings have in common is
            learnt so. None asks whole texts. Has an effect with a ``texts_weight`` of the
            classification term.
        refresh_every: Steps after which the vectors of all texts are computed anew, where the text
            tower rests all along; None reads the drawn texts in every step.
    """

    one_name: bool = True
    appearances: Count | None = None
    drop_name: Share = 0.0
    drop_definition: Share = 0.0
    drop_appearance: Share = 0.0
    clauses: Count | None = None
    refresh_every: Count | None = None


def number_texts(texts: FacetTexts) -> Tensor:
    """Return equal numbers for equal texts, shape ``(N,)``, int64.

    Args:
        texts: What the book says of the findings.
    """
    ids = texts.tokens.ids.masked_fill(~texts.tokens.mask, -1)
    numbers: Tensor = torch.unique(ids, dim=0, return_inverse=True)[1]
    return numbers


def draw_texts(texts: FacetTexts, settings: FacetDraws, generator: torch.Generator) -> Tensor:
    """Draw the texts that a step reads.

    Args:
        texts: What the book says of the findings.
        settings: How.
        generator: Source of chance, of the CPU.

    Returns:
        Rows of the texts, ascending, shape ``(n,)``, int64, on the CPU; one or more of every
        finding.
    """
    chance = torch.rand(len(texts.kind), generator=generator)
    lasting = torch.rand(len(texts.kind), generator=generator)
    of_finding = _rows_by_finding(texts)
    kinds = texts.kind.tolist()
    kept: list[int] = []
    for rows in of_finding:
        order = sorted(rows, key=lambda row: float(chance[row]))
        names = [row for row in order if kinds[row] == _NAME]
        looks = [row for row in order if kinds[row] == _APPEARANCE]
        drawn = [
            *_kept(names[:1] if settings.one_name else names, lasting, settings.drop_name),
            *_kept(
                [r for r in order if kinds[r] == _DEFINITION], lasting, settings.drop_definition
            ),
            *_kept(looks[: settings.appearances], lasting, settings.drop_appearance),
        ]
        kept.extend(drawn or order[:1])
    return torch.tensor(sorted(kept))


class FacetVectors:
    """Vectors of all texts, computed anew after some steps.

    Args:
        every: Number of steps.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._vectors: Tensor | None = None
        self._step = -1

    def of(self, step: int, compute: Callable[[], Tensor]) -> Tensor:
        """Return the vectors of all texts, shape ``(N, D)``, without a gradient.

        Args:
            step: Number of the step.
            compute: Makes them.
        """
        if self._vectors is None or not self._step <= step < self._step + self._every:
            with torch.no_grad():
                self._vectors, self._step = compute().detach(), step
        return self._vectors

    def state(self) -> dict[str, Tensor | int]:
        """Return what a checkpoint must hold for a run that goes on to be the same."""
        return {} if self._vectors is None else {"vectors": self._vectors, "step": self._step}

    def load(self, state: dict[str, Tensor | int]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: From a checkpoint.
        """
        if state:
            self._vectors, self._step = torch.as_tensor(state["vectors"]), int(state["step"])


def _rows_by_finding(texts: FacetTexts) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in texts.names]
    for row, finding in enumerate(texts.class_index.tolist()):
        rows[finding].append(row)
    return rows


def _kept(rows: list[int], chance: Tensor, drop: float) -> list[int]:
    return [row for row in rows if float(chance[row]) >= drop]

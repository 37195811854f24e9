"""Embeddings cut into blocks, and the logits of a tile: computed, recomputed or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.engine.bodies import PLAIN, compiled_bodies
from medvlp.losses.engine.masks import RowMasks
from medvlp.losses.engine.products import logits_dtype, operand_dtype, scaled_product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from medvlp.losses.engine.bodies import TileBodies
    from medvlp.losses.engine.layout import PairLayout
    from medvlp.losses.engine.masks import PositivePairs, RelatedPairs
    from medvlp.losses.engine.settings import EngineSettings

__all__ = ["LogitTiles", "Tile", "column_operand"]


# Positives of a tile are held one by one, at some 100 bytes each: with large groups tiles are flat.
MOST_POSITIVES = 2**19


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One block of rows times one block of columns, in sorted positions.

    Attributes:
        rows: Positions of the rows.
        columns: Positions of the columns.
        x: Rows of x, shape ``(r, D)``.
        y: Rows of y, shape ``(c, D)``.
        scale: Factor of the similarities.
        logits: ``scale * x @ y.T + bias``, shape ``(r, c)``, free to overwrite.
        scratch: Same shape as the logits, free to overwrite.
        positives: Its positive pairs, or ``None`` where it has none.
        related: Which pairs have related concepts, or ``None`` where none can be.
        bodies: The elementwise work on the tile.
        may_look: Whether looking at a value is cheap, so that a shorter way may be tried first.
        is_first_of_rows: Whether this is the first tile of its row block.
        is_last_of_rows: Whether this is the last tile of its row block.
    """

    rows: slice
    columns: slice
    x: Tensor
    y: Tensor
    scale: float
    logits: Tensor
    scratch: Tensor
    positives: PositivePairs | None
    related: RelatedPairs | None
    bodies: TileBodies
    may_look: bool
    is_first_of_rows: bool
    is_last_of_rows: bool

    def positive_logits(self) -> Tensor:
        """Return the logits of the positives as they are now, shape ``(k,)``, float64."""
        if self.positives is None:
            return self.logits.new_empty(0, dtype=torch.float64)
        return self.logits.view(-1).index_select(0, self.positives.places).double()


class LogitTiles:
    """The tiles of this rank's logits in a fixed order: row block by row block.

    Args:
        x: Rows of this rank, shape ``(b, D)``, as given.
        y: Joined rows of y from :func:`column_operand`, shape ``(B, D)``.
        scale: Factor of the similarities.
        layout: Order of rows and columns, and masks.
        settings: Tile sizes.
        bias: Offset of the logits.
        kept: Logits to keep: an empty list is filled on the first round over the tiles and read on
            the next; ``None``: recompute each time.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        scale: float,
        layout: PairLayout,
        settings: EngineSettings,
        bias: float = 0.0,
        kept: list[Tensor] | None = None,
    ) -> None:
        self.scale = scale
        self.bias = bias
        self.layout = layout
        self.dtype = logits_dtype(x.dtype)
        self.num_rows, self.num_columns = x.shape[0], y.shape[0]
        self._operand = operand_dtype(x.dtype, x.device)
        self._x = x
        self._y = y
        self._size_x, self._size_y = settings.block_sizes(x.device)
        per_row = min(max(layout.most_positives, 1), self._size_y)
        self._size_x = min(self._size_x, max(MOST_POSITIVES // per_row, 1))
        self._bounds_x, self._bounds_y = layout.bounds(self._size_x, self._size_y)
        tile_rows = min(self._size_x, self.num_rows)
        tile_columns = min(self._size_y, self.num_columns)
        self._tile_numel = tile_rows * tile_columns
        self._kept = kept
        is_compiled = settings.is_compiled(x.device)
        self._bodies = compiled_bodies() if is_compiled else PLAIN
        self._may_look = x.device.type == "cpu" and not is_compiled

    @property
    def device(self) -> torch.device:
        """Device of the embeddings."""
        return self._x.device

    def new_rows(self) -> Tensor:
        """Return an empty (b, D) tensor for gradients of x, in the order given."""
        return torch.empty(self._x.shape, dtype=self.dtype, device=self.device)

    def new_columns(self) -> Tensor:
        """Return a zero (B, D) tensor for gradients of y, in sorted order."""
        return torch.zeros(self._y.shape, dtype=self.dtype, device=self.device)

    def row_blocks(self) -> Iterator[tuple[int, slice]]:
        """Iterate over number and sorted positions of the row blocks."""
        return _blocks(self.num_rows, self._size_x)

    def tiles(self, *, positives_only: bool = False) -> Iterator[Tile]:
        """Iterate over the tiles; logits and scratch are reused by the next tile.

        Args:
            positives_only: Whether to leave out tiles without a positive pair.
        """
        logits = torch.empty(self._tile_numel, dtype=self.dtype, device=self.device)
        scratch = torch.empty_like(logits)
        num_blocks = len(self._bounds_y)
        for i, rows in self.row_blocks():
            x = self._row_block(rows)
            masks = RowMasks(self.layout, rows, self._bounds_x[i])
            for j, columns in _blocks(self.num_columns, self._size_y):
                positives = masks.positives(columns, self._bounds_y[j])
                if positives_only and positives is None:
                    continue
                y = self._y[columns]
                shape = (x.shape[0], y.shape[0])
                numel = shape[0] * shape[1]
                yield Tile(
                    rows=rows,
                    columns=columns,
                    x=x,
                    y=y,
                    scale=self.scale,
                    logits=self._logits(i * num_blocks + j, x, y, logits[:numel].view(shape)),
                    scratch=scratch[:numel].view(shape),
                    positives=positives,
                    related=masks.related(columns, self._bounds_y[j]),
                    bodies=self._bodies,
                    may_look=self._may_look,
                    is_first_of_rows=j == 0,
                    is_last_of_rows=j == num_blocks - 1,
                )

    def _logits(self, number: int, x: Tensor, y: Tensor, buffer: Tensor) -> Tensor:
        """Compute the logits of a tile in the buffer, or copy those kept for its number."""
        if self._kept is not None and number < len(self._kept):
            return buffer.copy_(self._kept[number])
        scaled_product(x, y, self.scale, buffer)
        if self.bias:
            buffer.add_(self.bias)
        if self._kept is not None:
            self._kept.append(buffer.clone())
        return buffer

    def _row_block(self, rows: slice) -> Tensor:
        order = self.layout.order_x
        block = self._x[rows] if order is None else self._x.index_select(0, order[rows])
        return block.to(self._operand)


def column_operand(y: Tensor, layout: PairLayout) -> Tensor:
    """Return joined rows of y, shape ``(B, D)``, in sorted order and ready for products."""
    ordered = y if layout.order_y is None else y.index_select(0, layout.order_y)
    return ordered.to(operand_dtype(y.dtype, y.device)).contiguous()


def _blocks(total: int, size: int) -> Iterator[tuple[int, slice]]:
    for number, start in enumerate(range(0, total, size)):
        yield number, slice(start, min(start + size, total))

"""The tiles that speak most for each class, on one sheet.

Letters: N tiles; C classes; H W tile rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medvlp.reporting.lettering import fitted_text, label_font

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TileGroup", "draw_contact_sheet", "top_tile_indices"]

_PAPER = (255, 255, 255)
_INK = (32, 33, 36)
_SOFT_INK = (95, 99, 104)


@dataclass(frozen=True, kw_only=True)
class TileGroup:
    """The tiles of one line of the sheet.

    Attributes:
        label: What they have in common: the name of the class.
        tiles_rgb: The tiles, each uint8 of shape (H, W, 3), best first.
        scores: The score of each tile, as many as there are tiles.
    """

    label: str
    tiles_rgb: Sequence[NDArray[np.uint8]]
    scores: Sequence[float]

    def __post_init__(self) -> None:
        """Refuse a line whose scores do not match its tiles."""
        if len(self.tiles_rgb) != len(self.scores):
            raise ValueError(f"{len(self.tiles_rgb)} tiles but {len(self.scores)} scores")


def top_tile_indices(scores: NDArray[np.floating], num_tiles: int) -> NDArray[np.int64]:
    """Find the tiles with the highest score of each class.

    Args:
        scores: Score of each tile for each class, shape ``(N, C)``, finite.
        num_tiles: How many tiles to find; fewer are returned when there are fewer.

    Returns:
        Indices into the tiles, shape ``(C, min(num_tiles, N))``, best first; equal scores in the
        order of the tiles.

    Raises:
        ValueError: If the scores are not a finite matrix.
    """
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(f"scores must be a finite (N, C) matrix, got shape {scores.shape}")
    order = np.argsort(-scores, axis=0, kind="stable")
    return np.ascontiguousarray(order[:num_tiles].T).astype(np.int64)


def draw_contact_sheet(
    groups: Sequence[TileGroup], *, tile_side_px: int = 144, tile_um: float | None = None
) -> NDArray[np.uint8]:
    """Draw one line of tiles per class, with the score under each tile.

    Args:
        groups: The lines, top to bottom.
        tile_side_px: Side of a tile on the sheet, in pixels.
        tile_um: Side of a tile on the slide, in micrometres, told at the foot when given.

    Returns:
        The sheet, shape ``(rows, cols, 3)``, uint8.

    Raises:
        ValueError: If there is no tile at all.
    """
    columns = max((len(group.tiles_rgb) for group in groups), default=0)
    if not columns:
        raise ValueError("a contact sheet needs at least one tile")
    gap, text_px = 8, 14
    score_px, label_px = 20, 26
    line_px = label_px + tile_side_px + score_px + gap
    shown = [group for group in groups if group.tiles_rgb]
    foot_px = 24 if tile_um is not None else 0
    width = gap + columns * (tile_side_px + gap)
    sheet = Image.new("RGB", (width, gap + line_px * len(shown) + foot_px), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for line, group in enumerate(shown):
        top = gap + line * line_px
        bold = label_font(text_px, bold=True)
        draw.text((gap, top + 2), fitted_text(group.label, bold, width - gap), _INK, font=bold)
        for column, (tile, score) in enumerate(zip(group.tiles_rgb, group.scores, strict=True)):
            left = gap + column * (tile_side_px + gap)
            square = Image.fromarray(tile).resize(
                (tile_side_px, tile_side_px), Image.Resampling.BICUBIC, reducing_gap=None
            )
            sheet.paste(square, (left, top + label_px))
            centre = left + tile_side_px // 2, top + label_px + tile_side_px + score_px // 2
            draw.text(centre, f"{score:.3f}", _SOFT_INK, font=label_font(12), anchor="mm")
    if tile_um is not None:
        note = f"One tile is {tile_um:g} \N{MICRO SIGN}m wide; the number is the tile's score."
        note = fitted_text(note, label_font(12), width - 2 * gap)
        draw.text((gap, sheet.height - foot_px), note, _SOFT_INK, font=label_font(12))
    return np.asarray(sheet)

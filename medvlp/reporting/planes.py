"""Three-plane pictures of a box of a scan: where it lies, and what the encoder saw of it.

Nothing covers a voxel but the outlines: letters of the sides stand on a frame around each plane,
the scale bar below. Places without voxels are hatched and never painted as air.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medvlp.reporting.legends import LegendItem, ScaleBar, Swatch, add_legend
from medvlp.reporting.lettering import label_font

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.reporting.palette import RGB
    from medvlp.volumes.sections import Section

__all__ = ["draw_planes"]

_BOX_RGB: RGB = (240, 190, 40)
_ORGAN_RGB: RGB = (60, 190, 255)
_OUTSIDE_RGB: RGB = (150, 30, 60)
_OUTSIDE_PAPER_RGB: RGB = (48, 36, 42)
_LETTER_RGB: RGB = (255, 255, 255)
_FRAME_PX = 22
_HATCH_STEP_PX = 8
_LETTER_PX = 15
_NAME_RGB: RGB = (170, 170, 170)
_NAME_PX = 12
_TEXT_PX = 18


def draw_planes(
    surroundings: Sequence[Section],
    seen: Sequence[Section],
    *,
    title: str,
    window_hu: tuple[float, float],
    width_px: int = 1080,
    height_px: int = 400,
) -> NDArray[np.uint8]:
    """Draw the planes of the scan around a box, and below them the planes of the box itself.

    Args:
        surroundings: Sections of the scan.
        seen: Sections of what the encoder was given, in its own voxels.
        title: What the box holds; no name of a patient or a file belongs here.
        window_hu: Values that become black and white.
        width_px: Largest width of a row of planes.
        height_px: Largest height of a plane.

    Returns:
        The picture, shape ``(H, W, 3)``, uint8.

    Raises:
        ValueError: If there is no section or the window is empty.
    """
    if not (surroundings and seen):
        raise ValueError("there must be sections of the scan and of the box")
    if not window_hu[0] < window_hu[1]:
        raise ValueError(f"window_hu {window_hu} must rise")
    size_px = (width_px, height_px)
    window = f"{window_hu[0]:g} to {window_hu[1]:g} HU"
    rows = [
        _draw_row(surroundings, window_hu, size_px, f"{title} in the scan, {window}", smooth=True),
        _draw_row(seen, window_hu, size_px, "What the model saw, in its own voxels", smooth=False),
    ]
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(padded)


def _draw_row(
    sections: Sequence[Section],
    window_hu: tuple[float, float],
    size_px: tuple[int, int],
    title: str,
    *,
    smooth: bool,
) -> NDArray[np.uint8]:
    """Draw sections side by side at one scale, and the legend below."""
    sizes_mm = [_size_mm(section) for section in sections]
    room_px = size_px[0] - 2 * _FRAME_PX * len(sections)
    px_per_mm = min(
        room_px / sum(width for _, width in sizes_mm),
        size_px[1] / max(height for height, _ in sizes_mm),
    )
    panels = [
        _draw_section(section, window_hu, px_per_mm, with_outlines=smooth) for section in sections
    ]
    tallest = max(panel.height for panel in panels)
    row = Image.new("RGB", (sum(panel.width for panel in panels), tallest))
    left = 0
    for panel in panels:
        row.paste(panel, (left, (tallest - panel.height) // 2))
        left += panel.width
    items: list[LegendItem] = [ScaleBar(um_per_px=1000.0 / px_per_mm)]
    if smooth:
        items.append(Swatch(label="box", colour=_BOX_RGB, style="outline"))
        if any(section.organ is not None for section in sections):
            items.append(Swatch(label="mask", colour=_ORGAN_RGB, style="outline"))
    if any(np.isnan(section.hu).any() for section in sections):
        items.append(Swatch(label="outside of the scan", colour=_OUTSIDE_RGB, style="hatch"))
    return add_legend(np.asarray(row), title, items, text_px=_TEXT_PX)


def _size_mm(section: Section) -> tuple[float, float]:
    rows, cols = section.hu.shape
    return rows * section.mm_per_px[0], cols * section.mm_per_px[1]


def _draw_section(
    section: Section, window_hu: tuple[float, float], px_per_mm: float, *, with_outlines: bool
) -> Image.Image:
    """Draw one section on its frame; voxels of the box itself keep their edges."""
    height_mm, width_mm = _size_mm(section)
    size = max(1, round(width_mm * px_per_mm)), max(1, round(height_mm * px_per_mm))
    outside = np.isnan(section.hu)
    grey = np.clip((section.hu - window_hu[0]) / (window_hu[1] - window_hu[0]), 0.0, 1.0)
    levels = np.where(outside, 0, np.floor(255 * grey + 0.5)).astype(np.uint8)
    how = Image.Resampling.BILINEAR if with_outlines else Image.Resampling.NEAREST
    picture = np.repeat(np.asarray(Image.fromarray(levels).resize(size, how))[..., None], 3, axis=2)
    _hatch(picture, _enlarged(outside, size))
    if with_outlines and section.organ is not None:
        picture[_rim(_enlarged(section.organ, size))] = _ORGAN_RGB
    panel = Image.new("RGB", (size[0] + 2 * _FRAME_PX, size[1] + 2 * _FRAME_PX))
    panel.paste(Image.fromarray(picture), (_FRAME_PX, _FRAME_PX))
    draw = ImageDraw.Draw(panel)
    if with_outlines:
        _draw_box(draw, section, size)
    _draw_letters(draw, section, panel.size)
    return panel


def _enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    picture = Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return np.asarray(picture) > 0


def _hatch(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> None:
    rows, cols = np.indices(where.shape)
    picture[where] = _OUTSIDE_PAPER_RGB
    picture[where & ((rows + cols) % _HATCH_STEP_PX < 2)] = _OUTSIDE_RGB


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rim: NDArray[np.bool_] = mask & ~inner
    return rim


def _draw_box(draw: ImageDraw.ImageDraw, section: Section, size: tuple[int, int]) -> None:
    rows, cols = section.hu.shape
    top, left, bottom, right = section.box_px
    x_scale, y_scale = size[0] / cols, size[1] / rows
    draw.rectangle(
        (
            _FRAME_PX + round(left * x_scale),
            _FRAME_PX + round(top * y_scale),
            _FRAME_PX + round(right * x_scale) - 1,
            _FRAME_PX + round(bottom * y_scale) - 1,
        ),
        outline=_BOX_RGB,
        width=2,
    )


def _draw_letters(draw: ImageDraw.ImageDraw, section: Section, size: tuple[int, int]) -> None:
    font = label_font(_LETTER_PX, bold=True)
    middle_x, middle_y, half = size[0] / 2, size[1] / 2, _FRAME_PX / 2
    places = (
        (half, middle_y),
        (size[0] - half, middle_y),
        (middle_x, half),
        (middle_x, size[1] - half),
    )
    for letter, place in zip(section.sides, places, strict=True):
        draw.text(place, letter, fill=_LETTER_RGB, font=font, anchor="mm")
    draw.text(
        (_FRAME_PX, half), section.plane, fill=_NAME_RGB, font=label_font(_NAME_PX), anchor="lm"
    )

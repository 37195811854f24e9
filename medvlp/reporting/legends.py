"""What stands below a picture: title, colour bar, swatches, scale bar.

Letters: H W picture rows and columns. All pictures are RGB, 0 to 255, uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from medvlp.reporting.lettering import fitted_text, label_font, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.reporting.palette import RGB

__all__ = [
    "ColourBar",
    "LegendItem",
    "ScaleBar",
    "Swatch",
    "add_legend",
    "nice_length_um",
]

_INK: RGB = (32, 33, 36)
_SOFT_INK: RGB = (95, 99, 104)
_PAPER: RGB = (255, 255, 255)
_MIN_WIDTH_PX = 420


@dataclass(frozen=True, kw_only=True)
class ColourBar:
    """A continuous scale.

    Attributes:
        table: Colours from low to high, uint8 of shape (n, 3).
        low: Text at the low end.
        high: Text at the high end.
    """

    table: NDArray[np.uint8]
    low: str
    high: str


@dataclass(frozen=True, kw_only=True)
class Swatch:
    """A filled, hatched or outlined square and what it stands for.

    Attributes:
        label: Text beside the square.
        colour: Its colour.
        style: ``fill``, ``hatch`` or ``outline``.
    """

    label: str
    colour: RGB
    style: str = "fill"


@dataclass(frozen=True, kw_only=True)
class ScaleBar:
    """A length on the slide.

    Attributes:
        um_per_px: Micrometres per picture pixel along x.
    """

    um_per_px: float


LegendItem = ColourBar | Swatch | ScaleBar


def add_legend(
    picture: NDArray[np.uint8],
    title: str,
    items: Sequence[LegendItem],
    *,
    text_px: int | None = None,
) -> NDArray[np.uint8]:
    """Put a title and a legend on white below a picture.

    The picture itself is not covered: nothing hides tissue. Items flow into as many lines as they
    need; a picture narrower than the shortest readable line is centred on white.

    Args:
        picture: The picture, shape ``(H, W, 3)``, uint8.
        title: One line above the items.
        items: What the legend explains, in reading order.
        text_px: Height of the text; by default it grows with the picture.

    Returns:
        The picture with its legend, shape ``(H + legend, max(W, 420), 3)``, uint8.
    """
    height, width = picture.shape[:2]
    canvas_width = max(width, _MIN_WIDTH_PX)
    text_px = text_px or int(np.clip(canvas_width / 40, 13, 34))
    margin = text_px
    blocks = [_render(item, text_px, canvas_width) for item in items]
    lines = _flow(blocks, canvas_width - 2 * margin, gap=2 * text_px)
    title_font = label_font(round(1.1 * text_px), bold=True)
    title = fitted_text(title, title_font, canvas_width - 2 * margin)
    title_height = round(1.7 * text_px)
    line_height = round(2.0 * text_px)
    legend_height = margin + title_height + line_height * len(lines) + margin // 2
    canvas = Image.new("RGB", (canvas_width, height + legend_height), _PAPER)
    canvas.paste(Image.fromarray(picture), ((canvas_width - width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, height + margin // 2), title, fill=_INK, font=title_font)
    top = height + margin // 2 + title_height
    for line in lines:
        left = margin
        for block in line:
            canvas.paste(block, (left, top + (line_height - block.height) // 2))
            left += block.width + 2 * text_px
        top += line_height
    return np.asarray(canvas)


def nice_length_um(longest_um: float) -> float:
    """Return the longest of 1, 2 or 5 times a power of ten that is not above a length.

    Args:
        longest_um: The room there is, in micrometres, > 0.

    Raises:
        ValueError: If the length is not a positive finite number.
    """
    if not (np.isfinite(longest_um) and longest_um > 0):
        raise ValueError(f"longest_um must be positive and finite, got {longest_um}")
    power = 10.0 ** np.floor(np.log10(longest_um))
    fitting = [step * power for step in (1.0, 2.0, 5.0) if step * power <= longest_um]
    return float(fitting[-1]) if fitting else float(power)


def _flow(blocks: list[Image.Image], width_px: int, gap: int) -> list[list[Image.Image]]:
    lines: list[list[Image.Image]] = []
    used = 0
    for block in blocks:
        if lines and used + gap + block.width <= width_px:
            lines[-1].append(block)
            used += gap + block.width
        else:
            lines.append([block])
            used = block.width
    return lines


def _render(item: LegendItem, text_px: int, canvas_width: int) -> Image.Image:
    if isinstance(item, ColourBar):
        return _render_colour_bar(item, text_px)
    if isinstance(item, Swatch):
        return _render_swatch(item, text_px)
    return _render_scale_bar(item, text_px, canvas_width)


def _blank(width: float, text_px: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    block = Image.new("RGB", (max(1, round(width)), round(1.5 * text_px)), _PAPER)
    return block, ImageDraw.Draw(block)


def _render_colour_bar(bar: ColourBar, text_px: int) -> Image.Image:
    font = label_font(text_px)
    low, high = shorten(bar.low), shorten(bar.high)
    bar_width, gap = 12 * text_px, text_px // 2
    low_width = font.getlength(low)
    block, draw = _blank(low_width + bar_width + 2 * gap + font.getlength(high), text_px)
    middle = block.height // 2
    draw.text((0, middle), low, fill=_SOFT_INK, font=font, anchor="lm")
    ramp = np.linspace(0, len(bar.table) - 1, bar_width).round().astype(int)
    strip = np.repeat(bar.table[ramp][None], text_px, axis=0)
    left = round(low_width) + gap
    block.paste(Image.fromarray(strip), (left, middle - text_px // 2))
    draw.text((left + bar_width + gap, middle), high, fill=_SOFT_INK, font=font, anchor="lm")
    return block


def _render_swatch(swatch: Swatch, text_px: int) -> Image.Image:
    font = label_font(text_px)
    label = shorten(swatch.label)
    block, draw = _blank(1.5 * text_px + font.getlength(label) + 1, text_px)
    top = (block.height - text_px) // 2
    square = (0, top, text_px, top + text_px)
    if swatch.style == "fill":
        draw.rectangle(square, fill=swatch.colour)
    else:
        draw.rectangle(square, outline=swatch.colour, width=2)
    if swatch.style == "hatch":
        for offset in range(0, 2 * text_px, 5):
            first = (max(0, offset - text_px), top + min(offset, text_px))
            last = (min(offset, text_px), top + max(0, offset - text_px))
            draw.line((*first, *last), fill=swatch.colour)
    draw.text((1.5 * text_px, block.height // 2), label, fill=_INK, font=font, anchor="lm")
    return block


def _render_scale_bar(bar: ScaleBar, text_px: int, canvas_width: int) -> Image.Image:
    font = label_font(text_px)
    length_um = nice_length_um(0.22 * canvas_width * bar.um_per_px)
    label = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} \N{MICRO SIGN}m"
    length_px = max(1, round(length_um / bar.um_per_px))
    block, draw = _blank(length_px + text_px // 2 + font.getlength(label) + 1, text_px)
    middle = block.height // 2
    draw.rectangle((0, middle - 2, length_px - 1, middle + 1), fill=_INK)
    for end in (0, length_px - 2):
        draw.rectangle((end, middle - 6, end + 1, middle + 5), fill=_INK)
    draw.text((length_px + text_px // 2, middle), label, fill=_INK, font=font, anchor="lm")
    return block

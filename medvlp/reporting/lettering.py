"""Text inside pictures: one font on every machine, lines that fit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

__all__ = ["fitted_text", "label_font", "shorten"]


@lru_cache(maxsize=32)
def label_font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib carries, so that pictures are equal on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)


def fitted_text(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    """Return a text on one line, cut with three dots so that it is not wider than asked."""
    text = shorten(text, 160)
    while len(text) > 4 and font.getlength(text) > width_px:
        text = text.removesuffix("...")[:-1].rstrip() + "..."
    return text


def shorten(text: str, max_chars: int = 48) -> str:
    """Return a text on one line, without control characters, cut with three dots when too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= max_chars else line[: max_chars - 3].rstrip() + "..."

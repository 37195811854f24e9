"""From stored values to gray levels in [0, 1]: windows, tables, percentiles.

Everything is a function of one stored value, so that a picture of 16 bits needs 65,536 results.

Source:
    DICOM PS3.3 C.11.1 (modality LUT) and C.11.2.1 (VOI LUT and window functions). The percentiles
    for pictures of many bits without a window are a rule of this package:
    :func:`percentile_range`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "PERCENTILES",
    "LookupTable",
    "Window",
    "WindowFunction",
    "is_blank",
    "look_up",
    "percentile_range",
    "window_values",
]

WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

PERCENTILES = (0.5, 99.5)
"""Percentiles of the pixels inside the border that become 0 and 1 where no window is stated."""

_BORDER_TOLERANCE = 1 / 256
"""A row or column is border while its values differ by less than this share of the range."""

_BLANK_LEVELS = 5
_BLANK_SHARES = (0.001, 0.999)


@dataclass(frozen=True)
class Window:
    """A stated window.

    Attributes:
        center: Middle of the window, in values after the rescale.
        width: Its width, above 0; at least 1 for ``LINEAR``.
        function: How values become gray levels.
    """

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    @property
    def is_usable(self) -> bool:
        """Whether the standard defines the window."""
        least_ok = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        return bool(np.isfinite(self.center) and np.isfinite(self.width) and least_ok)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A table of the file.

    Attributes:
        first: Value that the first entry stands for; smaller ones take the first entry, larger
            ones than the table reaches the last.
        entries: Results, shape ``(N,)``, integer, N at least 1.
        bits: Bits of the brightest result: those stated, or those that the entries use where the
            stated ones cannot be.
        stated_bits: Bits that the file states.
    """

    first: int
    entries: NDArray[np.int64]
    bits: int
    stated_bits: int


def window_values(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Return gray levels in [0, 1] for values after the rescale.

    Args:
        values: Any shape.
        window: A usable window.

    Source:
        DICOM PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT),
        with output from 0 to 1.
    """
    if not window.is_usable:
        raise ValueError(f"{window} is not defined")
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        exponent = np.clip(-4.0 * (values - center) / width, -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)), dtype=np.float64)
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    if width == 0:
        return (values > center).astype(np.float64)
    return np.asarray(np.clip((values - center) / width + 0.5, 0.0, 1.0), dtype=np.float64)


def look_up(values: NDArray[np.float64], table: LookupTable) -> NDArray[np.float64]:
    """Return the entries of a table for values, rounded to whole numbers first."""
    at = np.clip(np.rint(values) - table.first, 0, len(table.entries) - 1)
    found: NDArray[np.float64] = table.entries[at.astype(np.int64)].astype(np.float64)
    return found


def percentile_range(
    values: NDArray[np.number], counted: NDArray[np.bool_] | None = None
) -> tuple[float, float] | None:
    """Return the values that become 0 and 1 where a picture of many bits states no window.

    Uniform rows and columns at the edges are left out (collimation, masks, padding); the
    0.5th and the 99.5th percentile of the rest are the ends. Where these are equal (a drawing in
    few pixels), the smallest and the largest value are.

    Args:
        values: Picture, shape ``(H, W)``.
        counted: Pixels that count, shape ``(H, W)``; None counts all.

    Returns:
        ``(low, high)``, or None where all values that count are equal.
    """
    rows, columns = _inside_border(values)
    inside = values[rows, columns]
    if counted is not None:
        inside = inside[counted[rows, columns]]
    if not inside.size or inside.min() == inside.max():
        return None
    low, high = (float(end) for end in np.percentile(inside, PERCENTILES))
    return (low, high) if low < high else (float(inside.min()), float(inside.max()))


def is_blank(pixels: NDArray[np.float32]) -> bool:
    """Say whether a picture in [0, 1] shows nothing.

    Args:
        pixels: Gray levels, shape ``(H, W)``.

    Returns:
        Whether 99.8 % of its pixels lie within 5 of 256 levels.
    """
    levels = np.clip(pixels * 255.0 + 0.5, 0, 255).astype(np.uint8)
    reached = np.bincount(levels.ravel(), minlength=256).cumsum() / pixels.size
    low, high = np.searchsorted(reached, _BLANK_SHARES)
    return bool(high - low < _BLANK_LEVELS)


def _inside_border(values: NDArray[np.number]) -> tuple[slice, slice]:
    """Return the rows and columns between uniform ones at the edges; all where all are uniform."""
    tolerance = (float(values.max()) - float(values.min())) * _BORDER_TOLERANCE
    rows, columns = slice(0, values.shape[0]), slice(0, values.shape[1])
    for _ in range(2):  # cutting columns can make rows uniform
        rows = _varied(values[:, columns], 1, rows, tolerance)
        columns = _varied(values[rows], 0, columns, tolerance)
    return rows, columns


def _varied(values: NDArray[np.number], axis: int, before: slice, tolerance: float) -> slice:
    spread = values.max(axis=axis).astype(np.float64) - values.min(axis=axis).astype(np.float64)
    varied = np.flatnonzero(spread > tolerance)
    varied = varied[(varied >= before.start) & (varied < before.stop)]
    return slice(int(varied[0]), int(varied[-1]) + 1) if varied.size else before

"""Bring an X-ray to the square that a network takes, and lead boxes and maps back.

The aspect is kept: the longer side fills the square, the rest is padded on both sides. Places are
continuous pixel coordinates, 0 at the outer edge of the first pixel, so that a box that covers a
whole picture of H x W is ``(0, H, 0, W)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Box", "Frame", "frame_image"]

Box = tuple[float, float, float, float]
"""``(row0, row1, col0, col1)``: first row, end of the rows, first column, end of the columns."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a picture lies in its square.

    Attributes:
        size_px: Side of the square in pixels.
        shape: ``(H, W)`` of the picture before framing.
        inner: ``(rows, columns)`` that the picture takes in the square.
        offset: ``(row, col)`` of the picture's first pixel in the square.
    """

    size_px: int
    shape: tuple[int, int]
    inner: tuple[int, int]
    offset: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the square per pixel of the picture, along its longer side.

        The shorter side is rounded to whole pixels; boxes and maps use the true ratio of each side.
        """
        return self.size_px / max(self.shape)

    @classmethod
    def of(cls, shape: tuple[int, int], size_px: int) -> Frame:
        """Place a picture in the middle of a square.

        Args:
            shape: ``(H, W)`` of the picture.
            size_px: Side of the square in pixels.

        Raises:
            ValueError: If a size is not positive.
        """
        if min(*shape, size_px) < 1:
            raise ValueError(f"sizes must be positive, got {shape} and size_px={size_px}")
        scale = size_px / max(shape)
        rows, columns = (min(size_px, max(1, round(side * scale))) for side in shape)
        offset = ((size_px - rows) // 2, (size_px - columns) // 2)
        return cls(size_px=size_px, shape=shape, inner=(rows, columns), offset=offset)

    def to_image_box(self, box: Box) -> Box:
        """Lead a box in the square to the picture; parts in the padding are cut off.

        Args:
            box: ``(row0, row1, col0, col1)`` in pixels of the square.

        Returns:
            The box in pixels of the picture; of zero size where it lies in the padding.
        """
        row0, row1 = (self._to_image(value, 0) for value in box[:2])
        col0, col1 = (self._to_image(value, 1) for value in box[2:])
        return row0, row1, col0, col1

    def to_frame_box(self, box: Box) -> Box:
        """Lead a box in the picture to the square.

        Args:
            box: ``(row0, row1, col0, col1)`` in pixels of the picture.
        """
        row0, row1 = (self._to_frame(value, 0) for value in box[:2])
        col0, col1 = (self._to_frame(value, 1) for value in box[2:])
        return row0, row1, col0, col1

    def to_image_map(
        self, values: NDArray[np.floating], shape: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Lead a map over the square to the picture's own grid, padding left out.

        Args:
            values: Map over the whole square, shape ``(h, w)``; coarser than the square (such as
                attention over patches) or as fine.
            shape: Grid of the result over the whole picture; None for the picture's own.

        Returns:
            Shape ``shape``, float32, interpolated linearly (antialiased where it shrinks).
        """
        if values.ndim != 2:
            raise ValueError(f"a map has two axes, got {values.shape}")
        rows, columns = self.shape if shape is None else shape
        high, wide = (side / self.size_px for side in values.shape)
        top, left = self.offset[0] * high, self.offset[1] * wide
        window = (left, top, left + self.inner[1] * wide, top + self.inner[0] * high)
        source = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
        found = source.resize((columns, rows), Image.Resampling.BILINEAR, box=window)
        return np.asarray(found, dtype=np.float32)

    def _to_image(self, value: float, axis: int) -> float:
        ratio = self.shape[axis] / self.inner[axis]
        return min(max((value - self.offset[axis]) * ratio, 0.0), float(self.shape[axis]))

    def _to_frame(self, value: float, axis: int) -> float:
        return value * self.inner[axis] / self.shape[axis] + self.offset[axis]


def frame_image(
    pixels: NDArray[np.float32], size_px: int, fill: float = 0.0
) -> tuple[NDArray[np.float32], Frame]:
    """Fit a picture into a square: aspect kept, antialiased, padded, centred.

    Args:
        pixels: Picture, shape ``(H, W)``, float.
        size_px: Side of the square in pixels.
        fill: Value of the padding.

    Returns:
        The square, shape ``(size_px, size_px)``, float32, within the range of the picture and
        ``fill``, and where the picture lies in it.
    """
    if pixels.ndim != 2:
        raise ValueError(f"a picture has two axes, got {pixels.shape}")
    frame = Frame.of((pixels.shape[0], pixels.shape[1]), size_px)
    source = np.ascontiguousarray(pixels, dtype=np.float32)
    if frame.inner != frame.shape:
        # Linear and not cubic: no ringing beyond the range of the picture.
        resized = Image.fromarray(source).resize(
            (frame.inner[1], frame.inner[0]), Image.Resampling.BILINEAR
        )
        source = np.asarray(resized, dtype=np.float32)
    square = np.full((size_px, size_px), fill, dtype=np.float32)
    (top, left), (rows, columns) = frame.offset, frame.inner
    square[top : top + rows, left : left + columns] = source
    return square, frame

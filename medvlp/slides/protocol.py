"""What a slide reader offers, whichever decoder stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.slides.scale import Scale

__all__ = ["SlideReader"]


@runtime_checkable
class SlideReader(Protocol):
    """What every decoder offers; positions are level-0 ``(x, y)``, sizes ``(width, height)``."""

    @property
    def path(self) -> Path:
        """Main file of the slide."""

    @property
    def reader_id(self) -> str:
        """Decoder and version that makes the pixels, such as ``openslide 4.0.1``."""

    @property
    def vendor(self) -> str:
        """Format of the slide as the decoder names it."""

    @property
    def size_px0(self) -> tuple[int, int]:
        """``(width, height)`` of level 0 in pixels."""

    @property
    def bounds_px0(self) -> tuple[int, int, int, int]:
        """Scanned part of level 0: ``(x, y, width, height)`` in level-0 pixels."""

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Level-0 pixels per pixel of each level, finest first."""

    @property
    def level_sizes_px(self) -> tuple[tuple[int, int], ...]:
        """``(width, height)`` of each level in its own pixels."""

    @property
    def scale(self) -> Scale:
        """Micrometres per level-0 pixel and where they were learnt; SlideError MV1203 or MV1204."""

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """``(x, y)`` micrometres per level-0 pixel; SlideError MV1203 or MV1204."""

    def read_rgb(
        self, origin_px0: tuple[int, int], level: int, size_px: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Read a region as ``(H, W, 3)`` uint8; SlideError MV1206 if it does not decode."""

    def read_thumbnail(self, longest_px: int) -> NDArray[np.uint8]:
        """Read the whole slide small, as ``(H, W, 3)`` uint8."""

    def close(self) -> None:
        """Give the file back."""

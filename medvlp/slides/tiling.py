"""Plan which tiles of a slide hold tissue, and read them in batches."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.slides.geometry import TileSpec, plan_tile_spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.slides.protocol import SlideReader
    from medvlp.slides.tissue import TissueMask

__all__ = ["TilePlan", "TilingConfig", "plan_tiles"]

_SHARE_TOLERANCE = 1e-6
"""What rounding may take from the share of a tile that is tissue all over."""


@dataclass(frozen=True, kw_only=True)
class TilingConfig:
    """How a slide is cut into tiles."""

    mpp: float = 0.5
    """Micrometres per tile pixel; 0.5 is what is called 20x."""

    tile_px: int = 256
    """Side of the square tile, in pixels."""

    overlap: float = 0.0
    """Share of a tile's side that the next tile repeats, in [0, 1)."""

    min_tissue: float = 0.5
    """Least share of a tile's area that is tissue, in [0, 1]; 0 keeps every tile of the slide."""

    allow_upsampling: bool = False
    """Accept slides whose finest level is coarser than ``mpp``."""

    def __post_init__(self) -> None:
        """Check every range."""
        checks = (
            ("mpp", "a positive number", math.isfinite(self.mpp) and self.mpp > 0),
            ("tile_px", "at least 1", self.tile_px >= 1),
            ("overlap", "in [0, 1), the share of a tile's side", 0 <= self.overlap < 1),
            ("min_tissue", "in [0, 1], the share of a tile's area", 0 <= self.min_tissue <= 1),
        )
        for name, wanted, is_valid in checks:
            if not is_valid:
                msg = f"{name} must be {wanted}, got {getattr(self, name)}"
                raise ValueError(msg)


@dataclass(frozen=True)
class TilePlan:
    """Which tiles to read; plain data that travels to a worker process.

    Attributes:
        coords: Top-left corners ``(x, y)`` in level-0 pixels, shape ``(N, 2)``, int64, ordered by
            row and then by column.
        tissue: Share of each tile's area that is tissue, shape ``(N,)``, float32.
        spec: The three geometries of a tile.
        config: What was asked for.
    """

    coords: NDArray[np.int64]
    tissue: NDArray[np.float32]
    spec: TileSpec
    config: TilingConfig

    @property
    def num_tiles(self) -> int:
        """Number of tiles; 0 is the reported outcome of a slide without tissue."""
        return len(self.coords)

    def parameters(self) -> dict[str, object]:
        """Return what decides the tiles, but for the tissue mask, as plain values to hash."""
        return {"tiling": asdict(self.config), "geometry": self.spec.parameters()}


def plan_tiles(reader: SlideReader, tissue: TissueMask, config: TilingConfig) -> TilePlan:
    """Lay a grid over the scanned part of a slide and keep the tiles with enough tissue.

    The grid starts at the top-left corner of the scanned part. Tiles that would reach past its end
    are left out, because their pixels would have to be invented. The share of tissue is the exact
    area of the mask under the tile, mask pixels cut by the tile's border included in part.

    Args:
        reader: The open slide.
        tissue: Where tissue is.
        config: Scale, size, overlap and least tissue of a tile.

    Returns:
        The plan, with no tiles where there is no tissue.

    Raises:
        SlideError: MV1203 or MV1204 if the scale of the slide is not known, MV1205 if it is coarser
            than wanted, MV1209 if a tile would need too many source pixels.
    """
    spec = plan_tile_spec(
        reader.mpp_xy,
        reader.level_downsamples,
        target_mpp=config.mpp,
        tile_px=config.tile_px,
        overlap=config.overlap,
        allow_upsampling=config.allow_upsampling,
    )
    left, top, width, height = reader.bounds_px0
    tile_w, tile_h = spec.level0.tile_px0
    xs = np.arange(left, left + width - tile_w + 1, spec.level0.step_px0[0], dtype=np.int64)
    ys = np.arange(top, top + height - tile_h + 1, spec.level0.step_px0[1], dtype=np.int64)
    area = _TissueArea(tissue)
    coords = [np.zeros((0, 2), np.int64)]
    shares = [np.zeros(0, np.float32)]
    for y in ys:
        share = area.share(xs, int(y), (tile_w, tile_h))
        kept = (
            share >= config.min_tissue - _SHARE_TOLERANCE
            if config.min_tissue > 0
            else np.ones(len(xs), bool)
        )
        coords.append(np.stack([xs[kept], np.full(int(kept.sum()), y)], axis=1))
        shares.append(share[kept].astype(np.float32))
    return TilePlan(
        coords=np.concatenate(coords), tissue=np.concatenate(shares), spec=spec, config=config
    )


class _TissueArea:
    """Exact area of a mask under rectangles, from its integral image.

    The integral of a piecewise constant mask is bilinear between the corners of its pixels, so
    reading the integral image at fractional positions is exact.
    """

    def __init__(self, tissue: TissueMask) -> None:
        rows, cols = tissue.mask.shape
        self._integral = np.zeros((rows + 1, cols + 1))
        np.cumsum(
            np.cumsum(tissue.mask, axis=0, dtype=np.float64), axis=1, out=self._integral[1:, 1:]
        )
        self._px0_per_px = tissue.px0_per_px

    def share(
        self, xs_px0: NDArray[np.int64], y_px0: int, size_px0: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Return the share of tissue of a row of equal rectangles, shape ``(len(xs),)``.

        Args:
            xs_px0: Left edges in level-0 pixels, shape ``(n,)``.
            y_px0: Top edge in level-0 pixels.
            size_px0: ``(width, height)`` in level-0 pixels.
        """
        scale_x, scale_y = self._px0_per_px
        width, height = size_px0
        strip = self._row((y_px0 + height) / scale_y) - self._row(y_px0 / scale_y)
        edges = np.arange(len(strip), dtype=np.float64)
        areas = np.interp((xs_px0 + width) / scale_x, edges, strip) - np.interp(
            xs_px0 / scale_x, edges, strip
        )
        share: NDArray[np.float64] = areas * (scale_x * scale_y) / (width * height)
        return np.clip(share, 0.0, 1.0)

    def _row(self, y: float) -> NDArray[np.float64]:
        """Return the integral image at a fractional row, shape ``(cols + 1,)``."""
        last = len(self._integral) - 1
        y = min(max(y, 0.0), float(last))
        low = min(int(y), last - 1)
        row: NDArray[np.float64] = self._integral[low] + (y - low) * (
            self._integral[low + 1] - self._integral[low]
        )
        return row

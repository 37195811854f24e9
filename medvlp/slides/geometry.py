"""From a physical tile to pixels: the three geometries of a tile, each with its unit in its name.

* target: what the encoder is given, ``tile_px`` pixels a side at ``mpp`` micrometres per pixel;
* read: what is taken from the file, ``size_px`` pixels of one pyramid level;
* level 0: where it lies, ``tile_px0`` and ``step_px0`` in level-0 pixels, the frame of all
  coordinates.

Scales are true micrometres per pixel throughout; no scale is rounded to a magnification.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from medvlp.errors import SlideError

__all__ = [
    "LEVEL_TOLERANCE",
    "MAX_READ_PX",
    "UPSAMPLING_TOLERANCE",
    "Level0Geometry",
    "ReadGeometry",
    "TargetGeometry",
    "TileSpec",
    "plan_tile_spec",
]

LEVEL_TOLERANCE = 0.01
"""A level counts as fine enough if it is at most this share coarser than the target: pyramids whose
sides were rounded have downsamples such as 4.002."""

UPSAMPLING_TOLERANCE = 0.05
"""A slide whose level 0 is at most this share coarser than the target is read as it is."""

MAX_READ_PX = 2**26
"""Most source pixels that one tile is made from."""


@dataclass(frozen=True)
class TargetGeometry:
    """What was asked for.

    Attributes:
        tile_px: Side of the square tile, in pixels.
        mpp: Wanted micrometres per pixel, both axes.
        overlap: Share of a tile's side that the next tile repeats, in [0, 1).
    """

    tile_px: int
    mpp: float
    overlap: float


@dataclass(frozen=True)
class ReadGeometry:
    """What is read from the file before resizing to the target.

    Attributes:
        level: Pyramid level.
        downsample: Level-0 pixels per pixel of that level.
        size_px: ``(width, height)`` in pixels of that level.
    """

    level: int
    downsample: float
    size_px: tuple[int, int]


@dataclass(frozen=True)
class Level0Geometry:
    """Where tiles lie.

    Attributes:
        mpp_xy: ``(x, y)`` micrometres per level-0 pixel.
        tile_px0: ``(width, height)`` of a tile in level-0 pixels.
        step_px0: ``(x, y)`` from one tile to the next in level-0 pixels.
    """

    mpp_xy: tuple[float, float]
    tile_px0: tuple[int, int]
    step_px0: tuple[int, int]


@dataclass(frozen=True)
class TileSpec:
    """The three geometries of a tile.

    Attributes:
        target: What the encoder is given.
        read: What is taken from the file.
        level0: Where it lies.
    """

    target: TargetGeometry
    read: ReadGeometry
    level0: Level0Geometry

    @property
    def true_mpp_xy(self) -> tuple[float, float]:
        """``(x, y)`` micrometres per target pixel after rounding to whole level-0 pixels."""
        return (
            self.level0.tile_px0[0] * self.level0.mpp_xy[0] / self.target.tile_px,
            self.level0.tile_px0[1] * self.level0.mpp_xy[1] / self.target.tile_px,
        )

    def parameters(self) -> dict[str, object]:
        """Return all fields as plain values that survive JSON, in a fixed order."""
        return asdict(self, dict_factory=_plain_dict)


def plan_tile_spec(
    mpp_xy: tuple[float, float],
    level_downsamples: tuple[float, ...],
    *,
    target_mpp: float,
    tile_px: int,
    overlap: float = 0.0,
    allow_upsampling: bool = False,
) -> TileSpec:
    """Plan how a tile of a physical size is cut from a slide.

    A tile covers ``round(tile_px * target_mpp / mpp)`` level-0 pixels on each axis, so anisotropic
    pixels give a rectangle that becomes square in the target. It is read from the coarsest level
    that is still as fine as the target on both axes (within :data:`LEVEL_TOLERANCE`), hence never
    enlarged from a coarse level where a finer one exists.

    Args:
        mpp_xy: ``(x, y)`` micrometres per level-0 pixel.
        level_downsamples: Level-0 pixels per pixel of each level; the first is 1.
        target_mpp: Wanted micrometres per pixel.
        tile_px: Side of the target tile, in pixels.
        overlap: Share of a tile's side that the next tile repeats, in [0, 1).
        allow_upsampling: Accept a slide that is coarser than the target.

    Returns:
        The three geometries.

    Raises:
        ValueError: If an argument is outside its range.
        SlideError: MV1205 if level 0 is coarser than the target by more than
            :data:`UPSAMPLING_TOLERANCE` and upsampling is not allowed; MV1209 if a tile would need
            more than :data:`MAX_READ_PX` source pixels.
    """
    _check_arguments(mpp_xy, level_downsamples, target_mpp, tile_px, overlap)
    coarsest_mpp = max(mpp_xy)
    if coarsest_mpp > target_mpp * (1 + UPSAMPLING_TOLERANCE) and not allow_upsampling:
        raise SlideError(
            "MV1205",
            f"the slide has {coarsest_mpp:.4g} micrometres per pixel at its finest, "
            f"tiles of {target_mpp:.4g} are wanted",
            expected=f"at most {target_mpp * (1 + UPSAMPLING_TOLERANCE):.4g}",
            hint="ask for a coarser scale (--mpp) with a model made for it, or allow upsampling, "
            "which adds pixels but no detail",
        )
    tile_px0 = _whole(tile_px * target_mpp / mpp_xy[0]), _whole(tile_px * target_mpp / mpp_xy[1])
    level = _best_level(coarsest_mpp, level_downsamples, target_mpp)
    downsample = level_downsamples[level]
    read_size_px = _whole(tile_px0[0] / downsample), _whole(tile_px0[1] / downsample)
    if read_size_px[0] * read_size_px[1] > MAX_READ_PX:
        raise SlideError(
            "MV1209",
            f"a tile of {tile_px} px at {target_mpp:.4g} micrometres per pixel would be read from "
            f"{read_size_px[0]} x {read_size_px[1]} px, for lack of a coarser level",
            expected=f"at most {MAX_READ_PX} source pixels",
            hint="ask for a finer scale or smaller tiles, or convert the slide to a pyramid",
        )
    return TileSpec(
        target=TargetGeometry(tile_px=tile_px, mpp=target_mpp, overlap=overlap),
        read=ReadGeometry(
            level=level,
            downsample=downsample,
            size_px=read_size_px,
        ),
        level0=Level0Geometry(
            mpp_xy=mpp_xy,
            tile_px0=tile_px0,
            step_px0=(_whole(tile_px0[0] * (1 - overlap)), _whole(tile_px0[1] * (1 - overlap))),
        ),
    )


def _best_level(
    coarsest_mpp: float, level_downsamples: tuple[float, ...], target_mpp: float
) -> int:
    """Return the coarsest level that is as fine as the target; level 0 where none is."""
    fine = [
        level
        for level, downsample in enumerate(level_downsamples)
        if coarsest_mpp * downsample <= target_mpp * (1 + LEVEL_TOLERANCE)
    ]
    return max(fine, key=lambda level: level_downsamples[level], default=0)


def _plain_dict(items: list[tuple[str, object]]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in items}


def _whole(value: float) -> int:
    return max(1, round(value))


def _check_arguments(
    mpp_xy: tuple[float, float],
    level_downsamples: tuple[float, ...],
    target_mpp: float,
    tile_px: int,
    overlap: float,
) -> None:
    for name, value in (("mpp x", mpp_xy[0]), ("mpp y", mpp_xy[1]), ("target_mpp", target_mpp)):
        if not (math.isfinite(value) and value > 0):
            msg = f"{name} must be a positive number of micrometres per pixel, got {value}"
            raise ValueError(msg)
    if not level_downsamples or not all(
        math.isfinite(downsample) and downsample > 0 for downsample in level_downsamples
    ):
        msg = f"level_downsamples must be positive numbers, got {level_downsamples}"
        raise ValueError(msg)
    if tile_px < 1:
        msg = f"tile_px must be at least 1 pixel, got {tile_px}"
        raise ValueError(msg)
    if not 0 <= overlap < 1:
        msg = f"overlap must be in [0, 1), the share of a tile's side, got {overlap}"
        raise ValueError(msg)

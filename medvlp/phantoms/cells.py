"""Cells of a texture: nuclei stamped at points, and the borders between cells or glands.

Amounts of stain are concentrations: the optical density (natural logarithm) that the unit vector of
a stain is multiplied with. Lengths are micrometres (``_um``) or pixels (``_px``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy import ndimage

from medvlp.phantoms.noise import wrap_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Borders", "NucleusKind", "StainField", "draw_nuclei", "find_borders"]

_Number = TypeVar("_Number", np.float32, np.int32)
_ANGLES = 16
_VARIANTS = 6


@dataclass
class StainField:
    """Two stains over a square that wraps around.

    Attributes:
        hematoxylin: Concentration ``(S, S)``, float32.
        eosin: Concentration ``(S, S)``, float32.
        mpp: Micrometres per pixel.
    """

    hematoxylin: NDArray[np.float32]
    eosin: NDArray[np.float32]
    mpp: float


@dataclass(frozen=True, kw_only=True)
class NucleusKind:
    """What the nuclei of one kind of cell look like.

    Attributes:
        length_um: Long axis.
        width_um: Short axis.
        size_spread: Standard deviation of the size, relative.
        darkness: Mean hematoxylin concentration.
        coarseness: Contrast of the chromatin, relative to the darkness.
        rim: Extra darkness of the nuclear membrane, relative.
        nucleolus: Share of nuclei with a nucleolus.
        irregularity: Departure of the outline from an ellipse, relative.
        eosin: Eosin concentration inside the nucleus.
    """

    length_um: float
    width_um: float
    size_spread: float = 0.12
    darkness: float = 1.2
    coarseness: float = 0.2
    rim: float = 0.2
    nucleolus: float = 0.0
    irregularity: float = 0.06
    eosin: float = 0.25


@dataclass(frozen=True)
class Borders:
    """Where the nearest and second nearest point of a set are.

    Attributes:
        nearest_px: Distance to the nearest point, ``(S, S)``, float32.
        edge_px: Distance to the border with the neighbouring cell, ``(S, S)``, float32.
        owner: Index of the nearest point, ``(S, S)``, int32.
    """

    nearest_px: NDArray[np.float32]
    edge_px: NDArray[np.float32]
    owner: NDArray[np.int32]


def find_borders(
    points: NDArray[np.float32],
    side_px: int,
    reach_px: float,
    warp: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    coarse: int = 1,
) -> Borders:
    """Divide a square that wraps around among points: a Voronoi diagram with distances.

    Args:
        points: Points ``(N, 2)`` as (x, y) in ``[0, S)``.
        side_px: Side S of the square.
        reach_px: Points farther than this from a pixel are not looked at; give twice the spacing.
        warp: Displacements (x, y), each ``(S, S)`` in pixels, that bend the borders.
        coarse: Work on every n-th pixel and interpolate; for cells many pixels wide. Divides S.

    Returns:
        Distances and owners; where no point is within reach, the distance is the reach.
    """
    if coarse > 1:
        small = find_borders(
            points / np.float32(coarse),
            side_px // coarse,
            reach_px / coarse,
            (_shrink(warp[0], coarse), _shrink(warp[1], coarse)),
        )
        return Borders(
            _enlarge(small.nearest_px, coarse, 1) * coarse,
            _enlarge(small.edge_px, coarse, 1) * coarse,
            _enlarge(small.owner, coarse, 0),
        )
    half = int(np.ceil(reach_px))
    pad = 2 * half + 1
    size = side_px + 2 * pad
    axis = np.arange(-pad, side_px + pad, dtype=np.float32) + np.float32(0.5)
    first = np.full((size, size), reach_px**2, dtype=np.float32)
    second = first.copy()
    owner = np.zeros((size, size), dtype=np.int32)
    wrapped = np.arange(-pad, side_px + pad) % side_px
    bend_x, bend_y = (field[np.ix_(wrapped, wrapped)] for field in warp)
    copies, index = wrap_points(points, side_px, half)
    for (x, y), original in zip(copies.tolist(), index.tolist(), strict=True):
        left, top = int(x) + pad - half, int(y) + pad - half
        box = (slice(top, top + 2 * half + 1), slice(left, left + 2 * half + 1))
        dx = bend_x[box] + (axis[None, box[1]] - np.float32(x))
        dy = bend_y[box] + (axis[box[0], None] - np.float32(y))
        square = dx * dx + dy * dy
        near, far = first[box], second[box]
        np.minimum(far, np.maximum(near, square), out=far)
        owner[box][square < near] = original
        np.minimum(near, square, out=near)
    inner = (slice(pad, pad + side_px), slice(pad, pad + side_px))
    nearest, next_nearest = np.sqrt(first[inner]), np.sqrt(second[inner])
    edge = np.asarray((next_nearest - nearest) / 2, dtype=np.float32)
    return Borders(np.asarray(nearest, dtype=np.float32), edge, owner[inner])


def _shrink(displacement: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    return np.asarray(displacement[::factor, ::factor] / factor, dtype=np.float32)


def _enlarge(field: NDArray[_Number], factor: int, order: int) -> NDArray[_Number]:
    """Interpolate a field that wraps around to ``factor`` times its side."""
    large = ndimage.zoom(field, factor, order=order, mode="grid-wrap", grid_mode=True)
    return np.asarray(large, dtype=field.dtype)


def _build_stamps(
    rng: np.random.Generator, kind: NucleusKind, mpp: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw nuclei at all angles: coverage and hematoxylin, each (angles, variants, P, P)."""
    count = _ANGLES * _VARIANTS
    scale = np.clip(1 + kind.size_spread * rng.standard_normal(count), 0.6, 1.6)
    long_px = (kind.length_um / 2 / mpp * scale).astype(np.float32)[:, None, None]
    short_px = (kind.width_um / 2 / mpp * scale).astype(np.float32)[:, None, None]
    half = int(np.ceil(float(long_px.max()) * 1.2 + 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle = np.repeat(np.arange(_ANGLES) * np.pi / _ANGLES, _VARIANTS).astype(np.float32)
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u, v = (x * cos + y * sin) / long_px, (y * cos - x * sin) / short_px
    radius, theta = np.hypot(u, v), np.arctan2(v, u)
    outline = np.ones_like(radius)
    for harmonic in (2, 3, 5):
        size = kind.irregularity * rng.standard_normal(count).astype(np.float32) / harmonic * 2
        phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        outline += size[:, None, None] * np.cos(harmonic * theta + phase[:, None, None])
    depth_px = (outline - radius) * short_px
    coverage = np.clip(depth_px / max(1.0, 0.5 / mpp) + 0.5, 0, 1)
    grain = ndimage.gaussian_filter(
        rng.standard_normal(radius.shape, dtype=np.float32), (0, 0.45 / mpp, 0.45 / mpp)
    )
    grain /= grain.std()
    depth_um = depth_px * np.float32(mpp)
    shade = 1 + kind.coarseness * grain + kind.rim * np.exp(-((depth_um - 0.4) ** 2) / 0.3)
    has_nucleolus = (rng.random(count) < kind.nucleolus)[:, None, None]
    spot = np.hypot(x, y) * np.float32(mpp) + 0.3 * grain
    shade = np.where(has_nucleolus & (spot < 1.2), shade + 0.9, shade)
    tone = kind.darkness * np.clip(1 + 0.15 * rng.standard_normal(count), 0.6, 1.5)
    stain = np.clip(shade, 0.1, None) * tone.astype(np.float32)[:, None, None]
    shape = (_ANGLES, _VARIANTS, *radius.shape[1:])
    return (
        coverage.astype(np.float32).reshape(shape),
        (stain * coverage).astype(np.float32).reshape(shape),
    )


def draw_nuclei(
    rng: np.random.Generator,
    field: StainField,
    points: NDArray[np.float32],
    kind: NucleusKind,
    angle_rad: NDArray[np.float32] | None = None,
) -> None:
    """Stamp nuclei onto a field, in place; the later covers the earlier.

    Args:
        rng: Source of randomness.
        field: The field to draw on.
        points: Centres ``(N, 2)`` as (x, y) in pixels.
        kind: What the nuclei look like.
        angle_rad: Direction of each long axis from the x axis towards y, ``(N,)``; random when
            absent.
    """
    if len(points) == 0:
        return
    side = field.hematoxylin.shape[0]
    coverage, stain = _build_stamps(rng, kind, field.mpp)
    size = coverage.shape[-1]
    half = size // 2
    if angle_rad is None:
        angle_rad = rng.uniform(0, np.pi, len(points)).astype(np.float32)
    turn = np.rint(angle_rad / np.pi * _ANGLES).astype(np.int64) % _ANGLES
    variant = rng.integers(0, _VARIANTS, len(points))
    copies, index = wrap_points(points % side, side, half)
    pad = size
    hema = np.pad(field.hematoxylin, pad, mode="wrap")
    eosin = np.pad(field.eosin, pad, mode="wrap")
    keep = 1 - coverage
    pink = coverage * np.float32(kind.eosin)
    for (x, y), i in zip(copies.tolist(), index.tolist(), strict=True):
        left, top = int(x) + pad - half, int(y) + pad - half
        box = (slice(top, top + size), slice(left, left + size))
        t, v = turn[i], variant[i]
        kept = keep[t, v]
        hema[box] *= kept
        hema[box] += stain[t, v]
        eosin[box] *= kept
        eosin[box] += pink[t, v]
    field.hematoxylin[:] = hema[pad : pad + side, pad : pad + side]
    field.eosin[:] = eosin[pad : pad + side, pad : pad + side]

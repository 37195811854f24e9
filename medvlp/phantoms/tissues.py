"""Textures without lumens: clear cells, small cells, stroma and fat, as two stains.

Each ``draw_`` function draws one square of ``side_px`` pixels that wraps around, at ``mpp``.
Lengths are physical, so a texture looks alike at every scale; ``size`` multiplies cells and
architecture (about 1, it varies from slide to slide).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.phantoms.cells import NucleusKind, StainField, draw_nuclei, find_borders
from medvlp.phantoms.noise import jittered_points, periodic_noise, sample_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_clear_cell", "draw_fat", "draw_small_cell", "draw_stroma", "fibres", "warp_of"]

SPINDLE = NucleusKind(
    length_um=13.0, width_um=3.0, darkness=1.25, coarseness=0.15, irregularity=0.03
)
LYMPHOCYTE = NucleusKind(length_um=6.0, width_um=5.8, darkness=1.6, coarseness=0.25, rim=0.1)


def warp_of(
    rng: np.random.Generator, side_px: int, wavelength_px: float, amount_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw a pair of displacement fields (x, y) that wrap around, each ``(S, S)`` in pixels."""
    shape = (side_px, side_px)
    return (
        periodic_noise(rng, shape, wavelength_px) * np.float32(amount_px),
        periodic_noise(rng, shape, wavelength_px) * np.float32(amount_px),
    )


def fibres(
    rng: np.random.Generator, side_px: int, mpp: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw wavy fibres.

    Returns:
        Fibre contrast, mean 0 and deviation 1, and the direction of the fibres in radians from the
        x axis towards y; both ``(S, S)``, float32.
    """
    shape = (side_px, side_px)
    straight = periodic_noise(rng, shape, 9.0 / mpp, stretch=(6.0, 1.0), bandwidth=0.7)
    straight += 0.6 * periodic_noise(rng, shape, 4.0 / mpp, stretch=(8.0, 1.0), bandwidth=0.7)
    lift = periodic_noise(rng, shape, 150.0 / mpp) * np.float32(16.0 / mpp)
    lift += periodic_noise(rng, shape, 60.0 / mpp) * np.float32(3.5 / mpp)
    row, col = np.mgrid[0:side_px, 0:side_px].astype(np.float32)
    bent = ndimage.map_coordinates(straight, (row + lift, col), order=1, mode="grid-wrap")
    slope = (np.roll(lift, -1, axis=1) - np.roll(lift, 1, axis=1)) / 2
    direction = -np.arctan(slope)
    return bent / bent.std(), direction.astype(np.float32)


def draw_clear_cell(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw nests of polygonal, empty cells with thin membranes, in a net of capillaries."""
    shape = (side_px, side_px)
    spacing = 14.6 * size / mpp
    centres = jittered_points(rng, side_px, spacing, 0.24)
    cells = find_borders(centres, side_px, 1.5 * spacing, warp_of(rng, side_px, 9 / mpp, 0.8 / mpp))
    nests = find_borders(
        jittered_points(rng, side_px, 85 * size / mpp, 0.3),
        side_px,
        135 * size / mpp,
        warp_of(rng, side_px, 45 / mpp, 8 / mpp),
        coarse=4,
    )
    edge_um, nest_um = cells.edge_px * mpp, nests.edge_px * mpp
    flocks = periodic_noise(rng, shape, 3.5 / mpp)
    filled = rng.gamma(1.2, 0.08, len(centres)).astype(np.float32)[cells.owner]
    skin = np.exp(-((edge_um / 0.8) ** 2))
    eosin = 0.07 + filled * (1 + 0.4 * flocks) + 0.55 * skin
    wall = np.exp(-((nest_um / (2.3 + 0.7 * periodic_noise(rng, shape, 60 / mpp))) ** 2))
    eosin = np.maximum(eosin, 0.75 * wall)
    hema = 0.1 + 0.05 * flocks + 0.12 * wall + 0.1 * skin
    field = StainField(np.maximum(hema, 0), np.maximum(eosin, 0), mpp)
    kind = NucleusKind(length_um=7.9 * size, width_um=7.2 * size, darkness=1.45, nucleolus=0.3)
    shift = rng.normal(0, 1.6 / mpp, centres.shape).astype(np.float32)
    seen = rng.random(len(centres)) < 0.86
    draw_nuclei(rng, field, (centres + shift)[seen], kind)
    walls = jittered_points(rng, side_px, 9 / mpp, 0.5)
    walls = walls[(sample_field(nest_um, walls) < 2.2) & (rng.random(len(walls)) < 0.6)]
    draw_nuclei(rng, field, walls, SPINDLE, _along(nest_um, walls))
    return field


def _along(field: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the direction of a field's level lines at points, radians."""
    grad_x = sample_field(np.roll(field, -2, 1) - np.roll(field, 2, 1), points)
    grad_y = sample_field(np.roll(field, -2, 0) - np.roll(field, 2, 0), points)
    return np.asarray(np.arctan2(grad_y, grad_x) + np.pi / 2, dtype=np.float32)


def draw_small_cell(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw sheets of crowded, moulded, dark nuclei with hardly any cytoplasm."""
    shape = (side_px, side_px)
    spacing = 8.8 * size / mpp
    centres = jittered_points(rng, side_px, spacing, 0.34)
    streaks = periodic_noise(rng, shape, 110 / mpp)
    grain = periodic_noise(rng, shape, 4 / mpp)
    strand = np.exp(-((periodic_noise(rng, shape, 190 / mpp) / 0.09) ** 2))
    eosin = 0.3 + 0.06 * grain + 0.06 * streaks + 0.35 * strand
    hema = 0.13 + 0.04 * grain
    field = StainField(np.maximum(hema, 0), np.maximum(eosin, 0.02), mpp)
    gap = sample_field(strand, centres)
    seen = rng.random(len(centres)) < 0.97 - 0.9 * gap
    angle = (sample_field(streaks, centres) * 0.9 + rng.normal(0, 0.5, len(centres))).astype(
        np.float32
    )
    kind = NucleusKind(
        length_um=8.4 * size,
        width_um=6.4 * size,
        size_spread=0.14,
        darkness=0.9,
        coarseness=0.34,
        rim=0.05,
        irregularity=0.1,
        eosin=0.2,
    )
    draw_nuclei(rng, field, centres[seen], kind, angle[seen])
    dying = jittered_points(rng, side_px, 70 / mpp, 0.5)
    pyknotic = NucleusKind(length_um=4.0, width_um=3.6, darkness=2.4, coarseness=0.1, eosin=0.5)
    draw_nuclei(rng, field, dying, pyknotic)
    return field


def draw_stroma(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw wavy collagen with thin clefts, few spindle nuclei and some lymphocytes."""
    shape = (side_px, side_px)
    fibre, direction = fibres(rng, side_px, mpp)
    bundles = periodic_noise(rng, shape, 120 / mpp)
    eosin = 0.62 + 0.13 * fibre + 0.07 * bundles
    cleft = np.clip((-fibre - 1.25) * 2.2, 0, 1)
    eosin = eosin * (1 - 0.85 * cleft)
    field = StainField(np.full(shape, 0.07, np.float32), np.maximum(eosin, 0.02), mpp)
    spots = jittered_points(rng, side_px, 27 * size / mpp, 0.5)
    turned = sample_field(direction, spots) + rng.normal(0, 0.15, len(spots)).astype(np.float32)
    draw_nuclei(rng, field, spots, SPINDLE, turned)
    crowd = jittered_points(rng, side_px, 30 / mpp, 0.5)
    crowd = crowd[sample_field(bundles, crowd) > 1.3]
    draw_nuclei(rng, field, crowd, LYMPHOCYTE)
    return field


def draw_fat(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw large empty cells with thin walls and flat nuclei at the walls."""
    shape = (side_px, side_px)
    spacing = 68 * size / mpp
    cells = find_borders(
        jittered_points(rng, side_px, spacing, 0.3),
        side_px,
        1.6 * spacing,
        warp_of(rng, side_px, 50 / mpp, 4 / mpp),
        coarse=2,
    )
    edge_um = cells.edge_px * mpp
    width = 1.1 + 0.25 * periodic_noise(rng, shape, 30 / mpp)
    wall = np.exp(-((edge_um / np.maximum(width, 0.5)) ** 2))
    eosin = 0.008 + 0.42 * wall
    field = StainField((0.004 + 0.08 * wall).astype(np.float32), eosin.astype(np.float32), mpp)
    spots = jittered_points(rng, side_px, 22 / mpp, 0.5)
    spots = spots[(sample_field(edge_um, spots) < 1.3) & (rng.random(len(spots)) < 0.7)]
    flat = NucleusKind(length_um=9.0, width_um=2.6, darkness=1.2)
    draw_nuclei(rng, field, spots, flat, _along(edge_um, spots))
    return field

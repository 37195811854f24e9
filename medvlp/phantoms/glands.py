"""Textures with lumens: papillae, malignant glands and normal tubules, as two stains.

An epithelium is described by its depth: micrometres from its base, positive towards the lumen
(papillae: from their surface, positive towards the core). Nuclei are placed at chosen depths and
turned with the slope of the depth. Arguments are those of ``tissues``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.phantoms.cells import NucleusKind, StainField, draw_nuclei, find_borders
from medvlp.phantoms.noise import jittered_points, periodic_noise, sample_field, thin_points
from medvlp.phantoms.tissues import LYMPHOCYTE, SPINDLE, fibres, warp_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_glandular", "draw_normal", "draw_papillary"]


@dataclass(frozen=True)
class _Depth:
    """Depth in micrometres and its unit slope (x, y), each ``(S, S)`` float32."""

    um: NDArray[np.float32]
    slope: tuple[NDArray[np.float32], NDArray[np.float32]]


def _depth_of(depth_um: NDArray[np.float32], smooth_px: float) -> _Depth:
    smooth = ndimage.gaussian_filter(depth_um, smooth_px, mode="wrap")
    grad_x = (np.roll(smooth, -1, 1) - np.roll(smooth, 1, 1)) / 2
    grad_y = (np.roll(smooth, -1, 0) - np.roll(smooth, 1, 0)) / 2
    norm = np.maximum(np.hypot(grad_x, grad_y), 1e-6)
    return _Depth(depth_um, (grad_x / norm, grad_y / norm))


def _line_nuclei(
    rng: np.random.Generator,
    depth: _Depth,
    mpp: float,
    spacing_um: float,
    depths_um: tuple[float, float],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Place points in a band of depths, about a spacing apart; return them with their angles."""
    side = depth.um.shape[0]
    spots = jittered_points(rng, side, 0.5 * spacing_um / mpp, 0.5)
    here = sample_field(depth.um, spots)
    near = (here > depths_um[0] - 3.0) & (here < depths_um[1] + 3.0)
    spots, here = spots[near], here[near]
    goal = rng.uniform(*depths_um, len(spots))
    slope_x, slope_y = sample_field(depth.slope[0], spots), sample_field(depth.slope[1], spots)
    step = ((goal - here) / mpp).astype(np.float32)
    spots = (spots + np.stack([slope_x * step, slope_y * step], axis=1)) % np.float32(side)
    spots = np.minimum(spots, np.nextafter(np.float32(side), np.float32(0)))
    order = rng.permutation(len(spots))
    spots, slope_x, slope_y = spots[order], slope_x[order], slope_y[order]
    kept = thin_points(spots, side, 0.82 * spacing_um / mpp)
    return spots[kept], np.arctan2(slope_y, slope_x)[kept]


def _ramp(values: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return 0 below zero and 1 above, with a linear step of a given width around zero."""
    ramp = np.clip(values / np.float32(width) + np.float32(0.5), 0, 1)
    return np.asarray(ramp, dtype=np.float32)


def draw_papillary(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw papillae: thin cores with vessels, one row of cells around each, white space between."""
    shape = (side_px, side_px)
    openness = float(rng.normal(0.25, 0.1))
    wave = periodic_noise(rng, shape, 58 * size / mpp, stretch=(1.6, 1.0), bandwidth=0.3)
    wave += 0.25 * periodic_noise(rng, shape, 34 * size / mpp)
    grad = np.hypot(
        np.roll(wave, -1, 1) - np.roll(wave, 1, 1), np.roll(wave, -1, 0) - np.roll(wave, 1, 0)
    )
    slope = ndimage.gaussian_filter(grad / 2, 4 / mpp, mode="wrap")
    from_lumen_um = np.clip((wave + openness) / np.maximum(slope, 1e-4) * mpp, -60, 60)
    depth = _depth_of(from_lumen_um.astype(np.float32), 1.5 / mpp)
    cells = _ramp(depth.um, 0.8)
    core = _ramp(depth.um - 11.5 * size, 2.0)
    grain = periodic_noise(rng, shape, 3 / mpp)
    fibre, _ = fibres(rng, side_px, mpp)
    foam = np.clip(periodic_noise(rng, shape, 7 / mpp), -1, 1)
    eosin = (
        0.012
        + cells * (0.6 + 0.05 * grain) * (1 - core)
        + core * (0.44 + 0.07 * fibre + 0.1 * foam)
    )
    hema = 0.01 + cells * (0.24 + 0.05 * grain) * (1 - core) + 0.1 * core
    field = StainField(np.maximum(hema, 0), np.maximum(eosin, 0.005), mpp)
    kind = NucleusKind(length_um=8.4 * size, width_um=6.4 * size, darkness=1.55, nucleolus=0.25)
    spots, angle = _line_nuclei(rng, depth, mpp, 6.6 * size, (4.6, 6.8))
    draw_nuclei(rng, field, spots, kind, angle)
    inner = jittered_points(rng, side_px, 13 / mpp, 0.5)
    inner = inner[sample_field(depth.um, inner) > 15]
    draw_nuclei(rng, field, inner, SPINDLE)
    return field


def draw_glandular(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw irregular glands of tall cells with long crowded nuclei, in pink stroma."""
    shape = (side_px, side_px)
    spacing = 92 * size / mpp
    glands = find_borders(
        jittered_points(rng, side_px, spacing, 0.27),
        side_px,
        1.7 * spacing,
        warp_of(rng, side_px, 55 * size / mpp, 7 * size / mpp),
        coarse=4,
    )
    gap = 5.5 + 3 * periodic_noise(rng, shape, 130 / mpp)
    round_off = (53 * size - glands.nearest_px * mpp) * 0.9
    depth = _depth_of(
        np.minimum(glands.edge_px * mpp - gap, round_off).astype(np.float32), 1.5 / mpp
    )
    tall = 19 * size + 2.5 * periodic_noise(rng, shape, 40 / mpp)
    cells, lumen = _ramp(depth.um, 0.8), _ramp(depth.um - tall, 0.9)
    fibre, direction = fibres(rng, side_px, mpp)
    grain = periodic_noise(rng, shape, 3 / mpp)
    apical = np.clip((depth.um - 12) / 10, 0, 1)
    body = cells * (1 - lumen)
    debris = np.clip(periodic_noise(rng, shape, 8 / mpp) - 1.1, 0, 1) * lumen
    eosin = (
        (1 - cells) * (0.5 + 0.11 * fibre)
        + body * (0.4 + 0.05 * grain - 0.12 * apical)
        + 0.5 * debris
    )
    hema = (1 - cells) * 0.06 + body * (0.2 + 0.05 * grain) + 0.25 * debris
    field = StainField(np.maximum(hema, 0.003), np.maximum(eosin, 0.008), mpp)
    kind = NucleusKind(
        length_um=12.0 * size,
        width_um=5.6 * size,
        darkness=1.1,
        coarseness=0.28,
        nucleolus=0.35,
        irregularity=0.07,
    )
    spots, angle = _line_nuclei(rng, depth, mpp, 5.6 * size, (6.5, 11.0))
    draw_nuclei(rng, field, spots, kind, angle)
    outer = jittered_points(rng, side_px, 20 / mpp, 0.5)
    outer = outer[sample_field(depth.um, outer) < -4]
    draw_nuclei(rng, field, outer, SPINDLE, sample_field(direction, outer))
    return field


def draw_normal(rng: np.random.Generator, side_px: int, mpp: float, size: float) -> StainField:
    """Draw even, round, back-to-back tubules of pink cells with small round nuclei."""
    shape = (side_px, side_px)
    spacing = 50 * size / mpp
    centres = jittered_points(rng, side_px, spacing, 0.13)
    tubules = find_borders(
        centres, side_px, 1.6 * spacing, warp_of(rng, side_px, 45 / mpp, 2.2 / mpp), coarse=2
    )
    depth = _depth_of((tubules.edge_px * mpp - 1.6).astype(np.float32), 1.2 / mpp)
    thick = rng.normal(14.5, 1.8, len(centres)).astype(np.float32)[tubules.owner] * size
    tone = rng.normal(1, 0.12, len(centres)).astype(np.float32)[tubules.owner]
    cells, lumen = _ramp(depth.um, 0.8), _ramp(depth.um - thick, 2.5)
    grain = periodic_noise(rng, shape, 2.5 / mpp)
    brush = periodic_noise(rng, shape, 6 / mpp)
    eosin = (1 - cells) * 0.22 + cells * (1 - lumen) * (0.58 + 0.07 * grain + 0.05 * brush) * tone
    hema = 0.03 + cells * (1 - lumen) * (0.09 + 0.03 * grain)
    field = StainField(np.maximum(hema, 0.003), np.maximum(eosin, 0.008), mpp)
    kind = NucleusKind(length_um=6.6 * size, width_um=6.2 * size, darkness=1.25, size_spread=0.07)
    spots, _ = _line_nuclei(rng, depth, mpp, 12.5 * size, (5.0, 7.5))
    draw_nuclei(rng, field, spots, kind)
    between = jittered_points(rng, side_px, 16 / mpp, 0.5)
    between = between[(sample_field(depth.um, between) < -0.4) & (rng.random(len(between)) < 0.6)]
    draw_nuclei(rng, field, between, LYMPHOCYTE if size > 1.15 else SPINDLE)
    return field

"""Shapes that can say how much of each voxel they fill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.grid import Positions

__all__ = ["Ellipsoid", "Shape", "Tube", "Vector", "ripples", "soft_step"]

Vector = tuple[float, float, float]
"""A position or a size along x, y and z of the body, in mm."""

_UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Shape(Protocol):
    """Something solid."""

    @property
    def centre_mm(self) -> Vector:
        """Middle of its bounding box."""
        ...

    @property
    def half_mm(self) -> Vector:
        """Half the size of its bounding box."""
        ...

    def coverage(self, positions: Positions, soft_mm: float) -> NDArray[np.float32]:
        """Return the share of each voxel that it fills, 0 to 1.

        Args:
            positions: Body coordinates of the voxels.
            soft_mm: Width of the edge over which the share rises.
        """
        ...


def soft_step(
    inside_mm: NDArray[np.float32], soft_mm: float, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Turn the depth below a surface into the share of a voxel that lies below it."""
    share = np.multiply(inside_mm, np.float32(1.0 / soft_mm), out=out)
    share += np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def ripples(
    positions: Positions, wavelength_mm: float, seed: int, *, octaves: int = 3
) -> NDArray[np.float32]:
    """Return a smooth field of mean 0 and size about 1 that belongs to the body.

    Args:
        positions: Body coordinates of the voxels.
        wavelength_mm: Size of its largest features.
        seed: Equal seeds give equal fields wherever they are looked at.
        octaves: 1 for large features only, up to 3 for small ones as well.
    """
    rng = np.random.default_rng(seed)
    total: NDArray[np.float32] = np.zeros((1, 1, 1), dtype=np.float32)
    for weight, scale in ((0.9, 1.0), (0.9, 0.73), (0.6, 0.47))[:octaves]:
        product: NDArray[np.float32] = np.full((1, 1, 1), 1.6 * weight, dtype=np.float32)
        for axis in range(3):
            rates = 2 * np.pi / (wavelength_mm * scale * rng.uniform((0.8, 1.0), (1.25, 1.6)))
            shifts = rng.uniform(0, 2 * np.pi, 2)
            bend = np.sin(positions[axis - 1] * np.float32(rates[1]) + np.float32(shifts[1]))
            angle = positions[axis] * np.float32(rates[0]) + np.float32(shifts[0])
            product = product * np.sin(angle + np.float32(1.4) * bend)
        total = total + product
    return total


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, smooth or bumpy.

    Attributes:
        centre_mm: Its middle.
        radii_mm: Radii along its own axes.
        axes: Its own axes as rows of unit vectors.
        bumps: How far, as a share of the radius, its surface swells and shrinks.
        bump_mm: Size of the swellings.
        seed: Seed of the swellings.
    """

    centre_mm: Vector
    radii_mm: Vector
    axes: tuple[Vector, Vector, Vector] = _UPRIGHT
    bumps: float = 0.0
    bump_mm: float = 30.0
    seed: int = 0

    @cached_property
    def half_mm(self) -> Vector:
        """Half the size of its bounding box."""
        scaled = np.asarray(self.axes) * np.asarray(self.radii_mm)[:, None]
        x, y, z = np.sqrt((scaled**2).sum(axis=0)) * (1.0 + 1.5 * self.bumps)
        return float(x), float(y), float(z)

    @cached_property
    def _form(self) -> NDArray[np.float64]:
        scaled = np.asarray(self.axes) / np.asarray(self.radii_mm)[:, None]
        return np.asarray(scaled.T @ scaled)

    def squared_radius(self, positions: Positions) -> NDArray[np.float32]:
        """Return the square of the distance from the middle; 1 on the surface."""
        x, y, z = (
            axis - np.float32(centre)
            for axis, centre in zip(positions, self.centre_mm, strict=True)
        )
        form = self._form.astype(np.float32)
        flat = x * x * form[0, 0] + y * (y * form[1, 1] + x * (2 * form[0, 1]))
        slope = x * (2 * form[0, 2]) + y * (2 * form[1, 2])
        total: NDArray[np.float32] = z * form[2, 2] + slope
        total *= z
        total = total + flat
        if self.bumps:
            total *= 1.0 + np.float32(2 * self.bumps) * ripples(
                positions, self.bump_mm, self.seed, octaves=1
            )
        return total

    def coverage(self, positions: Positions, soft_mm: float) -> NDArray[np.float32]:
        """Return the share of each voxel that it fills, 0 to 1."""
        inside = np.float32(1.0) - self.squared_radius(positions)
        size_mm = float(np.prod(self.radii_mm)) ** (1 / 3)
        inside *= np.float32(size_mm / 2)
        return soft_step(inside, soft_mm, out=inside)


@dataclass(frozen=True)
class Tube:
    """A straight tube with round ends.

    Attributes:
        start_mm: Middle of one end.
        end_mm: Middle of the other.
        radius_mm: Its radius.
        waist: Share by which it narrows at regular places, as a colon does.
        waist_mm: Distance of the narrow places.
    """

    start_mm: Vector
    end_mm: Vector
    radius_mm: float
    waist: float = 0.0
    waist_mm: float = 28.0

    @property
    def centre_mm(self) -> Vector:
        """Middle of its bounding box."""
        x, y, z = (np.asarray(self.start_mm) + np.asarray(self.end_mm)) / 2
        return float(x), float(y), float(z)

    @property
    def half_mm(self) -> Vector:
        """Half the size of its bounding box."""
        x, y, z = np.abs(np.asarray(self.end_mm) - np.asarray(self.start_mm)) / 2
        reach = self.radius_mm
        return float(x) + reach, float(y) + reach, float(z) + reach

    def coverage(self, positions: Positions, soft_mm: float) -> NDArray[np.float32]:
        """Return the share of each voxel that it fills, 0 to 1."""
        way = np.asarray(self.end_mm) - np.asarray(self.start_mm)
        length = float(np.linalg.norm(way))
        unit = (way / max(length, 1e-6)).astype(np.float32)
        x, y, z = (
            axis - np.float32(start) for axis, start in zip(positions, self.start_mm, strict=True)
        )
        along = x * unit[0] + y * unit[1] + z * unit[2]
        nearest = np.clip(along, 0, np.float32(length))
        squared = x * x + y * y + z * z + nearest * (nearest - 2 * along)
        inside = np.float32(self.radius_mm) - np.sqrt(np.maximum(squared, 0, out=squared))
        if self.waist:
            wave = 0.5 + 0.5 * np.cos(nearest * np.float32(2 * np.pi / self.waist_mm))
            inside -= np.float32(self.radius_mm * self.waist) * wave
        return soft_step(inside, soft_mm, out=inside)

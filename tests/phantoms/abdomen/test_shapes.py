"""Shapes fill as much as their formulas say."""

import numpy as np
import pytest

from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine
from medvlp.phantoms.abdomen.shapes import Ellipsoid, Tube, ripples, soft_step

HALF = np.sqrt(0.5)


def volume_mm3(shape, tilt=(0.0, 0.0, 0.0)):
    """Sum of the shares of all voxels of 1 mm within the shape's own bounding box."""
    size = (90, 90, 90)
    grid = ScanGrid(size, grid_affine(size, (1.0, 1.0, 1.0), "LPS", tilt, (1.0, 2.0, 3.0)))
    box = grid.box_around(shape.centre_mm, shape.half_mm)
    return float(shape.coverage(grid.positions(box), 1.0).sum())


@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (20.0, -10.0, 30.0)])
def test_ellipsoid__fills_its_volume(tilt):
    axes = ((HALF, HALF, 0.0), (-HALF, HALF, 0.0), (0.0, 0.0, 1.0))
    shape = Ellipsoid((1.0, 2.0, 3.0), (20.0, 12.0, 16.0), axes)
    expected = 4 / 3 * np.pi * 20 * 12 * 16
    assert volume_mm3(shape, tilt) == pytest.approx(expected, rel=0.02)


def test_ellipsoid__is_bounded_by_its_half_sizes():
    axes = ((HALF, HALF, 0.0), (-HALF, HALF, 0.0), (0.0, 0.0, 1.0))
    shape = Ellipsoid((0.0, 0.0, 0.0), (20.0, 12.0, 16.0), axes)
    expected = np.sqrt((20**2 + 12**2) / 2)
    np.testing.assert_allclose(shape.half_mm, (expected, expected, 16.0), rtol=0, atol=1e-9)


def test_ellipsoid__with_bumps_keeps_about_its_volume():
    smooth = Ellipsoid((0.0, 0.0, 0.0), (20.0, 20.0, 20.0))
    bumpy = Ellipsoid((0.0, 0.0, 0.0), (20.0, 20.0, 20.0), bumps=0.15, bump_mm=25.0, seed=4)
    assert volume_mm3(bumpy) == pytest.approx(volume_mm3(smooth), rel=0.25)


@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (20.0, -10.0, 30.0)])
def test_tube__fills_a_cylinder_and_two_half_spheres(tilt):
    shape = Tube((-12.0, -5.0, 3.0), (12.0, 9.0, 11.0), 9.0)
    length = float(np.linalg.norm((24.0, 14.0, 8.0)))
    expected = np.pi * 9**2 * length + 4 / 3 * np.pi * 9**3
    assert volume_mm3(shape, tilt) == pytest.approx(expected, rel=0.02)


def test_tube__is_narrower_at_its_waists():
    ends = (-20.0, 0.0, 0.0), (20.0, 0.0, 0.0)
    assert volume_mm3(Tube(*ends, 10.0, 0.3)) < 0.85 * volume_mm3(Tube(*ends, 10.0))


def test_soft_step__is_half_on_the_surface():
    inside = np.asarray([-5.0, -1.0, 0.0, 1.0, 5.0], dtype=np.float32)
    np.testing.assert_allclose(soft_step(inside, 4.0), (0, 0.25, 0.5, 0.75, 1), atol=1e-6)


def test_ripples__belong_to_the_body_and_not_to_the_grid():
    near = tuple(np.float32(v).reshape(1, 1, 1) for v in (3.0, 4.0, 5.0))
    line = np.arange(-60, 60, dtype=np.float32)
    many = (line.reshape(1, 1, -1), line.reshape(1, -1, 1), line.reshape(-1, 1, 1))
    field = ripples(many, 30.0, 7)
    assert field.shape == (120, 120, 120)
    assert field[65, 64, 63] == pytest.approx(float(ripples(near, 30.0, 7).squeeze()), abs=1e-4)
    assert abs(field.mean()) < 0.15
    assert 0.4 < field.std() < 1.6
    assert not np.allclose(field, ripples(many, 30.0, 8))

"""Grids of voxels in the body."""

import numpy as np
import pytest

from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine

SHAPE, SPACING, CENTRE = (6, 8, 10), (3.0, 2.0, 1.0), (5.0, -7.0, 11.0)


def made(orientation="LPS", tilt=(0.0, 0.0, 0.0)):
    return ScanGrid(SHAPE, grid_affine(SHAPE, SPACING, orientation, tilt, CENTRE))


def test_affine__has_the_middle_where_it_was_asked_for():
    for orientation in ("LPS", "RAI", "SLP"):
        for tilt in ((0.0, 0.0, 0.0), (10.0, -20.0, 30.0)):
            affine = made(orientation, tilt).affine
            middle = affine @ (4.5, 3.5, 2.5, 1.0)
            np.testing.assert_allclose(middle[:3], CENTRE, rtol=0, atol=1e-9)
            np.testing.assert_allclose(
                np.linalg.norm(affine[:3, :3], axis=0), SPACING[::-1], rtol=0, atol=1e-12
            )


def test_affine__turns_about_the_axes_of_the_body():
    affine = made(tilt=(0.0, 0.0, 90.0)).affine
    # A quarter turn about z takes left to the back, and back to the right.
    np.testing.assert_allclose(affine[:3, 0], (0, 1, 0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(affine[:3, 1], (-2, 0, 0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(affine[:3, 2], (0, 0, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("orientation", ["LPS", "SAR"])
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (4.0, 5.0, 6.0)])
def test_positions__are_those_of_the_affine(orientation, tilt):
    grid = made(orientation, tilt)
    box = (slice(1, 4), slice(2, 8), slice(0, 3))
    found = np.broadcast_arrays(*grid.positions(box))
    assert found[0].shape == (3, 6, 3)
    for z, y, x in ((0, 0, 0), (2, 5, 1)):
        expected = grid.affine @ (x + 0, y + 2, z + 1, 1)
        actual = [axis[z, y, x] for axis in found]
        np.testing.assert_allclose(actual, expected[:3], rtol=0, atol=1e-4)


def test_positions__of_a_straight_grid_stay_small():
    sizes = [axis.size for axis in made().positions((slice(0, 6), slice(0, 8), slice(0, 10)))]
    assert sizes == [10, 8, 6]


def test_box_around__holds_every_voxel_that_is_near_enough():
    grid = made("PIR", (8.0, 0.0, -12.0))
    whole = tuple(slice(0, size) for size in SHAPE)
    x, y, z = grid.positions(whole)
    near = (np.abs(x - 5) <= 2) & (np.abs(y + 7) <= 2) & (np.abs(z - 11) <= 2)
    inside = np.zeros(SHAPE, dtype=bool)
    inside[grid.box_around((5, -7, 11), (2, 2, 2))] = True
    assert near.any()
    assert not (near & ~inside).any()
    assert grid.box_around((500, 0, 0), (2, 2, 2)) is None


def test_slab__lies_where_its_planes_lay():
    grid = made("LPS", (3.0, 2.0, 1.0))
    slab = grid.slab(2, 5)
    assert slab.shape_zyx == (3, 8, 10)
    np.testing.assert_allclose(slab.affine @ (1, 1, 0, 1), grid.affine @ (1, 1, 2, 1), atol=1e-9)

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from medvlp.volumes.diameters import (
    axial_diameter_mm,
    border_points_mm,
    extents_mm,
    largest_distance_mm,
)
from medvlp.volumes.geometry import VolumeGeometry
from tests.volumes.kidney_shapes import ball, draw, upright_grid


def faces_by_loops(chosen: NDArray[np.bool_], axes: tuple[int, ...]) -> list[list[float]]:
    """Every face of every voxel towards a voxel that is not chosen, one by one."""
    found = []
    for index in itertools.product(*(range(size) for size in chosen.shape)):
        if not chosen[index]:
            continue
        for axis, step in itertools.product(axes, (-1, 1)):
            other = list(index)
            other[axis] += step
            is_inside = 0 <= other[axis] < chosen.shape[axis]
            if not is_inside or not chosen[tuple(other)]:
                face = [float(part) for part in index]
                face[axis] += step / 2
                found.append(face)
    return found


def largest_by_loops(points: NDArray[np.float64]) -> float:
    return max(float(np.linalg.norm(a - b)) for a in points for b in points)


def skewed_geometry(shape: tuple[int, int, int], seed: int) -> VolumeGeometry:
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3) * rng.uniform(0.5, 4, 3) + rng.uniform(-0.4, 0.4, (3, 3))
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    return VolumeGeometry.from_affine(shape, affine)


@pytest.mark.parametrize("seed", range(6))
def test_diameters__are_those_of_a_search_over_all_faces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.random((4, 5, 6)) < (0.1, 0.3, 0.7)[seed % 3]
    chosen[rng.integers(4), rng.integers(5), rng.integers(6)] = True
    geometry = skewed_geometry(chosen.shape, seed)

    border = border_points_mm(chosen, geometry)
    everywhere = geometry.index_to_lps(faces_by_loops(chosen, (0, 1, 2)))
    assert largest_distance_mm(border) == pytest.approx(largest_by_loops(everywhere), abs=1e-9)
    np.testing.assert_allclose(
        extents_mm(border), everywhere.max(axis=0) - everywhere.min(axis=0), rtol=0, atol=1e-9
    )

    in_slices = []
    for z in range(4):
        alone = np.zeros_like(chosen)
        alone[z] = chosen[z]
        faces = faces_by_loops(alone, (1, 2))
        in_slices.append(largest_by_loops(geometry.index_to_lps(faces)) if faces else 0.0)
    axial, z = axial_diameter_mm(chosen, geometry)
    assert axial == pytest.approx(max(in_slices), abs=1e-9)
    assert in_slices[z] == pytest.approx(axial, abs=1e-9)


def test_diameters__of_one_voxel_are_its_edges() -> None:
    chosen = np.zeros((3, 3, 3), np.bool_)
    chosen[1, 1, 1] = True
    geometry = upright_grid((3, 3, 3), (5.0, 0.8, 0.7))
    assert largest_distance_mm(border_points_mm(chosen, geometry)) == pytest.approx(5.0)
    diameter, z = axial_diameter_mm(chosen, geometry)
    assert diameter == pytest.approx(0.8)
    assert z == 1
    assert extents_mm(border_points_mm(chosen, geometry)) == pytest.approx((0.7, 0.8, 5.0))


def test_diameters__of_a_row_of_voxels_count_whole_voxels() -> None:
    chosen = np.zeros((2, 1, 9), np.bool_)
    chosen[0, 0, 2:6] = True  # 4 voxels of 0.7 mm: 2.8 mm
    assert axial_diameter_mm(chosen, upright_grid((2, 1, 9), (5.0, 0.8, 0.7)))[0] == (
        pytest.approx(2.8)
    )


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 0.8), (2.5, 0.7, 1.3)])
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (14.0, -9.0, 21.0)])
def test_diameters__of_balls_are_right_within_a_voxel(
    spacing: tuple[float, float, float], tilt: tuple[float, float, float]
) -> None:
    shape = tuple(int(60 / mm) for mm in spacing)
    geometry = upright_grid((shape[0], shape[1], shape[2]), spacing, tilt_deg=tilt)
    chosen = draw([ball((2.0, -3.0, 1.0), 36.0)], geometry).labels == 2
    largest = largest_distance_mm(border_points_mm(chosen, geometry))
    assert largest == pytest.approx(36.0, abs=max(spacing))
    assert axial_diameter_mm(chosen, geometry)[0] == pytest.approx(36.0, abs=max(spacing[1:]))


def test_axial_diameter__spans_parts_of_one_slice() -> None:
    chosen = np.ones((2, 4, 11), np.bool_)
    chosen[1, :, 3:8] = False
    chosen[0, :, :2] = False
    # slice 0: 4 x 9 voxels; slice 1: two parts that reach from end to end
    diameter, z = axial_diameter_mm(chosen, upright_grid((2, 4, 11), (3.0, 1.0, 1.0)))
    assert z == 1
    assert diameter == pytest.approx(np.hypot(11, 3))


def test_largest_distance__searches_many_corners_in_blocks() -> None:
    rng = np.random.default_rng(0)
    on_a_ball = rng.standard_normal((2600, 3))
    on_a_ball *= 50 / np.linalg.norm(on_a_ball, axis=1, keepdims=True)
    expected = max(float(np.linalg.norm(on_a_ball - point, axis=1).max()) for point in on_a_ball)
    assert largest_distance_mm(on_a_ball) == pytest.approx(expected, abs=1e-9)

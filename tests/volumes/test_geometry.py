from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medvlp.volumes.geometry import VolumeGeometry, affine_ras_to_lps

CODES = [
    "".join(letters)
    for order in itertools.permutations(("RL", "AP", "IS"))
    for letters in itertools.product(*order)
]


def grid(
    shape: tuple[int, int, int] = (3, 4, 5),
    spacing: tuple[float, float, float] = (2.0, 0.8, 0.7),
    direction: np.ndarray | None = None,
    origin: tuple[float, float, float] = (-10.0, 20.0, 30.0),
) -> VolumeGeometry:
    return VolumeGeometry(shape, spacing, np.eye(3) if direction is None else direction, origin)


def as_itk(geometry: VolumeGeometry) -> SimpleITK.Image:
    image = SimpleITK.Image(*geometry.shape_zyx[::-1], SimpleITK.sitkInt16)
    image.SetSpacing(geometry.spacing_zyx_mm[::-1])
    image.SetDirection(geometry.direction.ravel().tolist())
    image.SetOrigin(geometry.origin_lps_mm)
    return image


geometries = st.builds(
    lambda shape, spacing, angles, axes, origin: grid(
        shape,
        spacing,
        Rotation.from_euler("xyz", angles, degrees=True).as_matrix()[:, list(axes)],
        origin,
    ),
    st.tuples(*[st.integers(2, 6)] * 3),
    st.tuples(*[st.floats(0.3, 6)] * 3),
    st.tuples(*[st.floats(-40, 40)] * 3),
    st.permutations(range(3)),
    st.tuples(*[st.floats(-500, 500)] * 3),
)


@given(geometries)
@settings(max_examples=60, deadline=None)
def test_geometry__maps_indices_as_simpleitk_does(geometry: VolumeGeometry) -> None:
    image = as_itk(geometry)
    points = np.asarray([[0.0, 0, 0], [1, 1, 1], [0.5, 1.25, 0.75]])
    expected = [image.TransformContinuousIndexToPhysicalPoint(point[::-1]) for point in points]
    actual = geometry.index_to_lps(points)
    assert np.allclose(expected, actual, rtol=0, atol=1e-6)
    assert np.allclose(geometry.lps_to_index(actual), points, rtol=0, atol=1e-8)


@given(geometries, st.sampled_from(CODES))
@settings(max_examples=60, deadline=None)
def test_reordered__keeps_every_voxel_in_its_place(geometry: VolumeGeometry, codes: str) -> None:
    order = geometry.axis_order(codes)
    turned = geometry.reordered(order)
    indices = np.indices(geometry.shape_zyx)
    places = geometry.index_to_lps(indices.reshape(3, -1).T).reshape(*geometry.shape_zyx, 3)
    moved = np.stack([order.apply(places[..., axis]) for axis in range(3)], axis=-1)
    again = np.indices(turned.shape_zyx).reshape(3, -1).T
    expected = turned.index_to_lps(again).reshape(*turned.shape_zyx, 3)
    assert np.allclose(expected, moved, rtol=0, atol=1e-6)
    assert turned.axis_codes == codes


@pytest.mark.parametrize("codes", CODES)
def test_reordered__agrees_with_simpleitk_on_aligned_grids(codes: str) -> None:
    geometry = grid()
    image = SimpleITK.DICOMOrient(as_itk(geometry), codes)
    turned = geometry.reordered(geometry.axis_order(codes))
    assert not VolumeGeometry.from_affine(turned.shape_zyx, affine_of(image)).difference(
        turned, tolerance_mm=1e-6
    )


def affine_of(image: SimpleITK.Image) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def test_from_affine__takes_spacing_and_direction_apart() -> None:
    geometry = grid()
    again = VolumeGeometry.from_affine(geometry.shape_zyx, geometry.affine_lps)
    assert again.spacing_zyx_mm == pytest.approx((2.0, 0.8, 0.7))
    assert again.geometry_sha256 == geometry.geometry_sha256


def test_affine_ras_to_lps__turns_x_and_y() -> None:
    # RAS (1, 2, 3) is 1 mm to the right, 2 mm to the front: LPS (-1, -2, 3).
    affine = np.eye(4)
    affine[:3, 3] = (1, 2, 3)
    assert affine_ras_to_lps(affine)[:3, 3].tolist() == [-1, -2, 3]


def test_axis_order__refuses_codes_that_name_an_axis_twice() -> None:
    with pytest.raises(ValueError, match="must name R/L, A/P and I/S once"):
        grid().axis_order("LRS")


def test_source_box__finds_the_voxels_of_a_turned_box() -> None:
    values = np.arange(60).reshape(3, 4, 5)
    geometry = grid()
    order = geometry.axis_order("SAR")
    start, stop = (1, 0, 1), (4, 2, 3)
    low, high = order.source_box(start, stop, geometry.shape_zyx)
    expected = order.apply(values)[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    box = values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    assert np.array_equal(expected, order.apply(box))


def test_difference__names_shape_and_distance() -> None:
    assert grid().difference(grid()) == ""
    assert "shape (3, 4, 6) instead of (3, 4, 5)" in grid().difference(grid((3, 4, 6)))
    moved = grid(origin=(-10.0, 20.0, 31.0))
    assert "1.000 mm away" in grid().difference(moved)


def test_geometry_sha256__changes_with_each_part() -> None:
    turned = np.eye(3)[:, [1, 0, 2]]
    hashes = {
        geometry.geometry_sha256
        for geometry in (
            grid(),
            grid((3, 4, 6)),
            grid(spacing=(2.0, 0.8, 0.701)),
            grid(direction=turned),
            grid(origin=(-10.0, 20.0, 30.01)),
        )
    }
    assert len(hashes) == 5


def test_obliqueness__is_the_sine_of_the_turn() -> None:
    turn = Rotation.from_euler("z", 10, degrees=True).as_matrix()
    assert grid().obliqueness == 0
    assert grid(direction=turn).obliqueness == pytest.approx(np.sin(np.radians(10)))

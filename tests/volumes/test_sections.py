"""Sections lie where a radiologist expects them, whatever the order of the scan's axes."""

from __future__ import annotations

import numpy as np
import pytest

from medvlp.volumes.crops import CropSpec, crop_volume
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.sections import cut_sections
from medvlp.volumes.volume import Volume

SHAPE = (6, 8, 10)
SPACING = (5.0, 2.0, 1.0)
ORIGIN = (-4.0, -7.0, 100.0)


def _scan() -> Volume:
    """Return a scan in LPS whose values name the voxel: 100 z + 10 y + x."""
    z, y, x = np.indices(SHAPE)
    geometry = VolumeGeometry(SHAPE, SPACING, np.eye(3), ORIGIN)
    return Volume((100 * z + 10 * y + x).astype(np.int16), geometry)


def _box(scan: Volume, index_zyx: tuple[float, float, float], size_mm: float) -> VolumeGeometry:
    centre = scan.geometry.index_to_lps([index_zyx])[0]
    spec = CropSpec(
        box_mm=(size_mm,) * 3, spacing_mm=(size_mm / 4, size_mm / 4, size_mm / 4), anchor="centre"
    )
    return crop_volume(scan, centre, spec).geometry


def test_cut_sections__puts_right_front_and_head_where_radiologists_look() -> None:
    scan = _scan()
    axial, coronal, sagittal = cut_sections(scan, _box(scan, (2, 3, 4), 4.0))
    # by hand: z = 2, rows from the front (y = 0) down, columns from the right (x = 0)
    np.testing.assert_array_equal(axial.hu, scan.hu[2])
    np.testing.assert_array_equal(coronal.hu, scan.hu[::-1, 3])
    np.testing.assert_array_equal(sagittal.hu, scan.hu[::-1, :, 4])
    assert [s.plane for s in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert axial.sides == ("R", "L", "A", "P")
    assert coronal.sides == ("R", "L", "S", "I")
    assert sagittal.sides == ("A", "P", "S", "I")
    # the organ turns with the picture that it is drawn on
    organ = scan.hu > 234
    drawn = cut_sections(scan, _box(scan, (2, 3, 4), 4.0), organ=organ)
    for section in drawn:
        np.testing.assert_array_equal(section.organ, section.hu > 234)
        assert 0 < np.count_nonzero(section.organ) < section.hu.size
    assert axial.mm_per_px == (2.0, 1.0)
    assert coronal.mm_per_px == (5.0, 1.0)
    assert sagittal.mm_per_px == (5.0, 2.0)


@pytest.mark.parametrize("codes", ["RAS", "SLP", "AIR", "PSL"])
def test_cut_sections__does_not_depend_on_the_order_of_axes(codes: str) -> None:
    scan = _scan()
    organ = scan.hu > 300
    turned = scan.oriented(codes)
    box = _box(scan, (2, 3, 4), 4.0)
    expected = cut_sections(scan, box, organ=organ)
    actual = cut_sections(
        turned, box.reordered(box.axis_order("RIP")), organ=np.asarray(turned.hu) > 300
    )
    for wanted, found in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(found.hu, wanted.hu)
        np.testing.assert_array_equal(found.organ, wanted.organ)
        assert found.sides == wanted.sides
        assert found.box_px == pytest.approx(wanted.box_px, abs=1e-9)


def test_cut_sections__places_the_box_by_its_outer_edges() -> None:
    scan = _scan()
    axial, coronal, _ = cut_sections(scan, _box(scan, (2, 3, 4), 4.0))
    # 4 mm around voxel (2, 3, 4): along y 2 voxels, 2.5 to 4.5 in edges; along x 4: 2.5 to 6.5
    assert axial.box_px == pytest.approx((2.5, 2.5, 4.5, 6.5))
    # along z 0.8 voxels around the middle of voxel 2, which is the fourth row from the head
    assert coronal.box_px == pytest.approx((3.1, 2.5, 3.9, 6.5))


def test_cut_sections__leaves_empty_what_the_scan_does_not_hold() -> None:
    scan = _scan()
    box = _box(scan, (0, 3, 4), 20.0)  # 10 mm below the middle of the lowest slice
    axial, coronal, _ = cut_sections(scan, box)
    held = np.isfinite(coronal.hu)
    assert held.any(axis=1).tolist() == [True] * 6 + [False] * 2
    assert coronal.box_px[2] == pytest.approx(7.5)
    assert np.isnan(axial.hu[:, 0]).all()


def test_cut_sections__shows_no_more_than_was_asked_for() -> None:
    scan = _scan()
    axial, _, _ = cut_sections(scan, _box(scan, (2, 3, 4), 4.0), surroundings_mm=6.0)
    np.testing.assert_array_equal(axial.hu, scan.hu[2, 2:5, 1:8])
    assert axial.box_px == pytest.approx((0.5, 1.5, 2.5, 5.5))

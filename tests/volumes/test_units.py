"""Boxes are planned around organs, or so that windows cover the whole scan."""

from dataclasses import replace

import numpy as np
import pytest

from medvlp.volumes.crops import crop_volume
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.units import (
    crop_spec,
    is_paired,
    plan_windows,
    region_label,
    units_of_region,
)
from medvlp.volumes.volume import Volume
from tests.volumes.bodies import GEOMETRY, WINDOWS, make_body


def covered(geometry: VolumeGeometry, **changes: object) -> tuple[np.ndarray, list[float]]:
    """Return how often each voxel's own value was cut, and how much was padded."""
    preprocessing = replace(WINDOWS, spacing_mm=geometry.spacing_zyx_mm, **changes)
    numbers = np.arange(1, 1 + np.prod(geometry.shape_zyx), dtype=np.float32)
    volume = Volume(numbers.reshape(geometry.shape_zyx), geometry)
    crops = [
        crop_volume(volume, unit.centre_lps_mm, crop_spec(preprocessing))
        for unit in plan_windows(geometry, preprocessing)
    ]
    values = np.concatenate([crop.values.ravel() for crop in crops])
    counts = np.bincount(values[values > 0].astype(np.int64), minlength=len(numbers) + 1)[1:]
    return counts, [crop.padded_share for crop in crops]


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SLP", "PIR"])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_plan_windows__covers_every_voxel(orientation: str, overlap: float) -> None:
    geometry = replace(GEOMETRY, shape_zyx=(11, 20, 17))
    preprocessing = {"shape_zyx": (4, 8, 6), "orientation": orientation, "overlap": overlap}
    isotropic = replace(geometry, spacing_zyx_mm=(5.0, 5.0, 5.0))
    counts, padded = covered(isotropic, **preprocessing)
    assert counts.min() >= 1
    assert max(padded) == 0.0


def test_plan_windows__counts_with_the_overlap() -> None:
    geometry = replace(GEOMETRY, shape_zyx=(16, 16, 16), spacing_zyx_mm=(5.0, 5.0, 5.0))
    box = replace(WINDOWS, spacing_mm=(5.0, 5.0, 5.0), shape_zyx=(8, 8, 8))
    assert len(plan_windows(geometry, box)) == 8
    assert len(plan_windows(geometry, replace(box, overlap=0.5))) == 27
    (middle,) = plan_windows(geometry, replace(box, overlap=None))
    assert middle.name == "window 0 0 0"
    expected = geometry.index_to_lps([(8.0, 8.0, 8.0)])[0]
    np.testing.assert_allclose(middle.centre_lps_mm, expected, rtol=0, atol=1e-9)


def test_plan_windows__pads_a_small_scan_on_both_sides() -> None:
    geometry = replace(GEOMETRY, shape_zyx=(4, 6, 6), spacing_zyx_mm=(5.0, 5.0, 5.0))
    counts, padded = covered(geometry, shape_zyx=(8, 8, 8))
    assert counts.tolist() == [1] * 144
    assert padded == [pytest.approx(1 - 144 / 512)]


def test_units_of_region__names_both_sides_right_first() -> None:
    _, mask = make_body()
    right, left = units_of_region(mask, "kidney")
    assert (right.name, left.name) == ("kidney_right", "kidney_left")
    np.testing.assert_allclose(right.centre_lps_mm, (-60, 10, -15), atol=4)
    np.testing.assert_allclose(left.centre_lps_mm, (60, 10, 0), atol=4)
    assert right.volume_ml == pytest.approx(4 / 3 * np.pi * 2.4**3, rel=0.2)
    (liver,) = units_of_region(mask, "liver")
    assert liver.name == "liver"


def test_units_of_region__parts_a_label_of_both_kidneys_with_their_tumours() -> None:
    _, mask = make_body()
    labels = np.zeros_like(mask.labels)
    labels[np.isin(mask.labels, (2, 3))] = 1
    plain = LabelMap(labels.copy(), GEOMETRY, {1: "kidney", 2: "tumor"})
    right, left = units_of_region(plain, "kidney")
    assert (right.name, left.name) == ("kidney_right", "kidney_left")
    z, y, x = np.argwhere(mask.labels == 3).max(axis=0)
    labels[z - 2 : z + 3, y - 5 : y - 2, x - 2 : x + 5] = 2
    grown = LabelMap(labels, GEOMETRY, plain.names)
    assert region_label(grown, "kidney") == ("kidney", "tumor")
    wider = units_of_region(grown, "kidney")[1]
    assert wider.volume_ml > left.volume_ml


def test_is_paired__knows_organs_of_either_side() -> None:
    assert [is_paired(name) for name in ("kidney", "adrenal_gland", "liver")] == [True, True, False]


def test_crop_spec__takes_all_that_the_preprocessing_says() -> None:
    box = replace(WINDOWS, air_hu=-900.0, orientation="RAS")
    spec = crop_spec(box)
    assert (spec.shape_zyx, spec.spacing_mm) == (box.shape_zyx, box.spacing_mm)
    assert (spec.air_hu, spec.orientation, spec.anchor) == (-900.0, "RAS", "scan")
    volume, _ = make_body()
    crop = crop_volume(volume, volume.geometry.index_to_lps([(0, 0, 0)])[0], spec)
    assert crop.padded_share > 0.5
    assert np.count_nonzero(crop.values == -900) > 0.5 * crop.values.size

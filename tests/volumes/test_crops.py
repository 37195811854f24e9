from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from medvlp.errors import VolumeError
from medvlp.volumes.crops import CropSpec, crop_volume, crop_volumes
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.nifti_reader import open_nifti
from medvlp.volumes.reader import open_volume
from medvlp.volumes.volume import Volume
from tests.volumes.scans import stored_values, write_nifti, write_series

VALUES = (stored_values((12, 20, 24), seed=3) - 1024).astype(np.int16)
GEOMETRY = VolumeGeometry(VALUES.shape, (2.0, 0.8, 0.7), np.eye(3), (-8.0, -9.0, 10.0))
SPEC = CropSpec(box_mm=(12.0, 6.0, 8.0), spacing_mm=(1.5, 1.0, 1.0))


def spacing_grid(shape: tuple[int, ...], spacing: NDArray, wanted: NDArray) -> list[NDArray]:
    """Voxel indices at which MONAI's Spacingd samples an axis-aligned volume, along each axis.

    With ``scale_extent=False`` the output starts at the centre of the first voxel, steps by the
    wanted spacing and holds ``round((n - 1) * spacing / wanted + 1)`` samples; beyond the last
    voxel the border counts.
    """
    found = []
    for voxels, old, new in zip(shape, spacing, wanted, strict=True):
        count = round((voxels - 1) * old / new + 1)
        found.append(np.minimum(np.arange(count) * (new / old), voxels - 1))
    return found


def whole_then_crop(volume: Volume, centre: tuple[float, ...], spec: CropSpec) -> NDArray:
    """Reorient and resample the whole scan in float64, then take a box and pad it."""
    turned = volume.oriented(spec.orientation)
    grid = spacing_grid(turned.hu.shape, turned.spacing_mm, spec.spacing_mm)
    coordinates = np.meshgrid(*grid, indexing="ij")
    whole = ndimage.map_coordinates(turned.hu.astype(np.float64), coordinates, order=1)
    index = turned.geometry.lps_to_index([centre])[0] * turned.spacing_mm / spec.spacing_mm
    starts = [round(i) - n // 2 for i, n in zip(index, spec.shape_zyx, strict=True)]
    out = np.full(spec.shape_zyx, spec.air_hu)
    for place in np.ndindex(*spec.shape_zyx):
        source = tuple(s + p for s, p in zip(starts, place, strict=True))
        if all(0 <= at < size for at, size in zip(source, whole.shape, strict=True)):
            out[place] = whole[source]
    return out


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SPL", "IAR"])
@pytest.mark.parametrize(
    "centre", [(0.0, -1.0, 20.0), (-8.0, -9.0, 10.0), (8.0, 6.0, 32.0), (3.3, 2.2, 17.7)]
)
def test_crop_volume__equals_resampling_the_whole_scan(
    codes: str, centre: tuple[float, float, float]
) -> None:
    spec = CropSpec(box_mm=(12.0, 6.0, 8.0), spacing_mm=(1.5, 1.0, 1.25), orientation=codes)
    volume = Volume(VALUES, GEOMETRY)
    crop = crop_volume(volume, centre, spec)
    expected = whole_then_crop(volume, centre, spec)
    assert np.allclose(expected, crop.values, rtol=0, atol=1e-3)
    assert crop.geometry.axis_codes == codes


@given(
    st.tuples(*[st.floats(-12, 12)] * 3),
    st.tuples(*[st.floats(0.4, 4)] * 3),
    st.tuples(*[st.floats(4, 20)] * 3),
    st.sampled_from(["scan", "centre"]),
)
@settings(max_examples=60, deadline=None)
def test_crop_volume__samples_where_its_geometry_says(
    offset: tuple[float, float, float],
    spacing: tuple[float, float, float],
    box: tuple[float, float, float],
    anchor: str,
) -> None:
    centre = np.asarray(GEOMETRY.index_to_lps([[5.5, 9.5, 11.5]])[0]) + offset
    spec = CropSpec(box_mm=box, spacing_mm=spacing, anchor=anchor)
    try:
        crop = crop_volume(Volume(VALUES, GEOMETRY), centre, spec)
    except VolumeError as error:
        assert error.code == "MV2250"  # noqa: PT017 - the box may lie outside altogether
        return
    image = SimpleITK.GetImageFromArray(VALUES.astype(np.float64))
    image.SetSpacing(GEOMETRY.spacing_zyx_mm[::-1])
    image.SetOrigin(GEOMETRY.origin_lps_mm)
    reference = SimpleITK.Image(*spec.shape_zyx[::-1], SimpleITK.sitkFloat64)
    reference.SetSpacing(crop.geometry.spacing_zyx_mm[::-1])
    reference.SetOrigin(crop.geometry.origin_lps_mm)
    identity = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
    expected = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(image, reference, identity, SimpleITK.sitkLinear, 1e6)
    )
    inside = (expected != 1e6) & (crop.values != spec.air_hu)
    assert np.allclose(expected[inside], crop.values[inside], rtol=0, atol=2e-3)


def test_crop_volume__pads_with_air_and_says_where() -> None:
    crop = crop_volume(Volume(VALUES, GEOMETRY), (0.0, -1.0, 10.0), SPEC)
    assert crop.padded_sides == ("I",)
    assert (crop.values[:4] == -1024).all()
    assert crop.padded_share == pytest.approx(0.5)
    inside = crop_volume(Volume(VALUES, GEOMETRY), (0.0, -1.0, 20.0), SPEC)
    assert inside.padded_sides == ()
    assert inside.padded_share == 0
    other = CropSpec(box_mm=(12, 6, 80), spacing_mm=(1.5, 1, 1), air_hu=-1000, orientation="RAS")
    wide = crop_volume(Volume(VALUES, GEOMETRY), (0.0, -1.0, 20.0), other)
    assert wide.padded_sides == ("L", "R")
    assert (wide.values[:, :, [0, -1]] == -1000).all()


def test_crop_volume__refuses_a_box_outside() -> None:
    with pytest.raises(VolumeError, match="MV2250"):
        crop_volume(Volume(VALUES, GEOMETRY), (500.0, 0.0, 0.0), SPEC)


def test_crop_volume__centres_exactly_where_asked() -> None:
    ramp = np.broadcast_to(np.arange(24, dtype=np.float32) * 70, (12, 20, 24))
    spec = CropSpec(box_mm=(4, 4, 4), spacing_mm=(1, 1, 1), anchor="centre")
    crop = crop_volume(Volume(ramp.copy(), GEOMETRY), (0.123, 0.0, 20.0), spec)
    # The ramp rises by 100 a millimetre and is 0 at x = -8 mm.
    assert crop.values.mean() == pytest.approx((0.123 + 8) * 100, abs=1e-2)


class Watched:
    """A source that remembers what was read of it."""

    def __init__(self, volume: Volume) -> None:
        self.volume, self.boxes = volume, []
        self.geometry, self.modality, self.findings = volume.geometry, "CT", ()

    def read_region(self, start: tuple, stop: tuple) -> NDArray:
        self.boxes.append((start, stop))
        return self.volume.read_region(start, stop)

    def read(self) -> Volume:
        raise AssertionError("the whole volume was read")


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SPL"])
def test_crop_volume__reads_no_more_than_it_needs(codes: str) -> None:
    source = Watched(Volume(VALUES, GEOMETRY))
    spec = CropSpec(box_mm=(4, 4, 4), spacing_mm=(1, 1, 1), orientation=codes)
    crop_volume(source, (0.0, -1.0, 20.0), spec)
    ((start, stop),) = source.boxes
    sizes = [high - low for low, high in zip(start, stop, strict=True)]
    assert sizes[0] <= 4
    assert sizes[1] <= 7
    assert sizes[2] <= 8


def test_dicom_and_nifti_of_one_scan__give_identical_crops(tmp_path: Path) -> None:
    stored = stored_values((12, 40, 48))
    folder = write_series(tmp_path / "s", stored, spacing=(0.810547, 0.7), step_mm=1.25)
    crops = []
    with open_volume(folder) as source:
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ source.geometry.affine_lps
        values = source.read().hu
        crops.append(crop_volume(source, (-35.0, -25.0, 107.0), SPEC))
    for name, flips in itertools.product(
        ("a.nii", "a.nii.gz"), itertools.product((1, -1), repeat=3)
    ):
        turned = values[tuple(slice(None, None, flip) for flip in flips)]
        matrix = affine.copy()
        for axis, flip in enumerate(flips[::-1]):
            if flip < 0:
                matrix[:3, 3] += matrix[:3, axis] * (values.shape[::-1][axis] - 1)
                matrix[:3, axis] *= -1
        source = open_nifti(write_nifti(tmp_path / name, turned, matrix))
        crops.append(crop_volume(source, (-35.0, -25.0, 107.0), SPEC))
    assert len(crops) == 17
    for crop in crops[1:]:
        assert np.array_equal(crops[0].values, crop.values)


def test_real_series__gives_the_crop_of_its_nifti(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "ct/chest_imaging_platform/ct-64Dicom"
    spec = CropSpec(box_mm=(80, 80, 80), spacing_mm=(2, 2, 2))
    with open_volume(folder) as source:
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ source.geometry.affine_lps
        expected = crop_volume(source, (0.0, -130.0, -200.0), spec)
        path = write_nifti(tmp_path / "a.nii.gz", source.read().hu, affine)
    actual = crop_volume(open_nifti(path), (0.0, -130.0, -200.0), spec)
    assert np.array_equal(expected.values, actual.values)


class CountedVolume(Volume):
    """A volume in memory that notes the boxes it was asked for."""

    def read_region(self, start_zyx, stop_zyx):
        self.findings.append(tuple(np.subtract(stop_zyx, start_zyx)))
        return super().read_region(start_zyx, stop_zyx)


@pytest.mark.parametrize("codes", ["LPS", "RAI"])
@pytest.mark.parametrize(
    ("centres", "readings"),
    [
        ([(-4.0, -1.0, 20.0), (2.0, -1.0, 21.0)], 1),
        ([(-8.0, -9.0, 10.0), (8.0, 6.0, 32.0)], 2),
        ([(0.0, 0.0, 20.0)], 1),
        ([], 0),
    ],
)
def test_crop_volumes__reads_near_boxes_at_once(
    centres: list[tuple[float, ...]], readings: int, codes: str
) -> None:
    volume = CountedVolume(VALUES, GEOMETRY, findings=[])
    spec = CropSpec(box_mm=SPEC.box_mm, spacing_mm=SPEC.spacing_mm, orientation=codes)
    found = crop_volumes(volume, centres, spec)
    assert len(volume.findings) == readings
    for crop, centre in zip(found, centres, strict=True):
        expected = crop_volume(volume, centre, spec)
        np.testing.assert_array_equal(crop.values, expected.values)
        assert crop.geometry.geometry_sha256 == expected.geometry.geometry_sha256
        assert crop.padded_sides == expected.padded_sides
        assert crop.padded_share == expected.padded_share


def test_crop_volumes__refuses_when_one_box_lies_outside() -> None:
    with pytest.raises(VolumeError, match="lies outside"):
        crop_volumes(Volume(VALUES, GEOMETRY), [(0.0, 0.0, 20.0), (900.0, 0.0, 20.0)], SPEC)


def test_crop_spec__refuses_boxes_without_samples() -> None:
    with pytest.raises(ValueError, match="no sample along y"):
        CropSpec(box_mm=(4, 0.1, 4), spacing_mm=(1, 1, 1))

from __future__ import annotations

import itertools
import time
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from medvlp.errors import VolumeError
from medvlp.volumes import dicom_reader
from medvlp.volumes.dicom_reader import open_series
from medvlp.volumes.dicom_slices import SliceHeader, read_slice_headers
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.reader import read_volume
from medvlp.volumes.volume import Volume
from tests.volumes.scans import SYNTAXES, stored_values, write_enhanced, write_series

SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def headers_of(folder: Path) -> list[SliceHeader]:
    return [header for path in sorted(folder.glob("*.dcm")) for header in read_slice_headers(path)]


def as_simpleitk(folder: Path) -> SimpleITK.Image:
    (series,) = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series)
    return SimpleITK.ReadImage(names)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_series__is_read_exactly_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    stored = stored_values((4, 40, 48))
    volume = read_volume(write_series(tmp_path / "s", stored, syntax=syntax))
    assert volume.hu.dtype == np.int16
    assert np.array_equal(stored - 1024, volume.hu)
    assert volume.spacing_mm == pytest.approx((2.0, 0.8, 0.7))
    assert volume.origin_mm == pytest.approx((-50, -40, 100))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_read_region__equals_the_slice_of_the_whole(tmp_path: Path, syntax: str) -> None:
    stored = stored_values((5, 40, 48))
    folder = write_series(tmp_path / "s", stored, syntax=syntax)
    source = open_series("s", headers_of(folder))
    part = source.read_region((1, 2, 3), (4, 9, 11))
    assert np.array_equal(stored[1:4, 2:9, 3:11] - 1024, part)


@given(
    st.tuples(*[st.floats(-60, 60)] * 3),
    st.permutations(range(3)),
    st.floats(0.4, 5),
    st.tuples(*[st.floats(-400, 400)] * 3),
)
@settings(max_examples=25, deadline=None)
def test_geometry__is_that_of_simpleitk(
    tmp_path_factory: pytest.TempPathFactory,
    angles: tuple[float, float, float],
    axes: list[int],
    step_mm: float,
    origin: tuple[float, float, float],
) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()[:, axes]
    orientation = (*turn[:, 0], *turn[:, 1])
    folder = write_series(
        tmp_path_factory.mktemp("s"),
        stored_values((3, 4, 5)),
        orientation=orientation,
        step_mm=step_mm,
        origin=origin,
    )
    volume = read_volume(folder)
    image = as_simpleitk(folder)
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.hu)
    ends = itertools.product(*((0.0, size - 1.0) for size in volume.hu.shape))
    corners = [image.TransformContinuousIndexToPhysicalPoint(end[::-1]) for end in ends]
    assert np.allclose(corners, volume.geometry.corners_lps_mm(), rtol=0, atol=1e-3)


def test_enhanced_multi_frame__is_sorted_and_rescaled(tmp_path: Path) -> None:
    stored = stored_values()
    volume = read_volume(write_enhanced(tmp_path / "e.dcm", stored))
    assert np.array_equal(stored - 1024, volume.hu)
    assert volume.spacing_mm == pytest.approx((2.0, 0.8, 0.7))
    assert volume.origin_mm == pytest.approx((-50, -40, 100))


def test_enhanced_multi_frame__agrees_with_highdicom(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "e.dcm", stored_values())
    expected = highdicom.imread(path).get_volume()
    volume = read_volume(path)
    # Their first plane is the first frame of the file, ours the lowest along the normal.
    assert np.array_equal(expected.array[::-1], volume.hu)
    last = expected.map_indices_to_reference(np.asarray([[4, 0, 0]]))[0]
    assert np.allclose(last, volume.origin_mm, rtol=0, atol=1e-6)


def test_signed_values_and_bits_above_the_highest__are_read(tmp_path: Path) -> None:
    stored = stored_values() - 2048

    def sign(data: Dataset, z: int) -> None:
        data.PixelRepresentation = 1
        raw = stored[z].view(np.uint16) & 0x0FFF
        data.PixelData = (raw | 0xA000).astype("<u2").tobytes()

    volume = read_volume(write_series(tmp_path / "s", stored, edit=sign))
    assert np.array_equal(stored - 1024, volume.hu)


def test_rescale__follows_each_slice(tmp_path: Path) -> None:
    stored = stored_values()

    def change(data: Dataset, z: int) -> None:
        data.RescaleSlope, data.RescaleIntercept = 1 + z * 0.5, -1000 + z

    volume = read_volume(write_series(tmp_path / "s", stored, edit=change))
    expected = np.stack([stored[z] * (1 + z * 0.5) - 1000 + z for z in range(len(stored))])
    assert volume.hu.dtype == np.float32
    assert np.array_equal(expected.astype(np.float32), volume.hu)


def edit_slice(at: int | None, **values: object) -> object:
    """Change elements of one slice, or of all; None deletes an element."""

    def edit(data: Dataset, z: int) -> None:
        if at is not None and z != at:
            return
        for name, value in values.items():
            if value is None:
                delattr(data, name)
            else:
                setattr(data, name, value)

    return edit


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        (edit_slice(None, Modality="MR"), "MV2210", "'MR'"),
        (edit_slice(None, ConversionType="WSD"), "MV2211", "secondary capture"),
        (edit_slice(None, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "MV2211", "scout"),
        (edit_slice(None, PhotometricInterpretation="PALETTE COLOR"), "MV2213", "PALETTE"),
        (edit_slice(None, BitsStored=17, HighBit=16), "MV2213", "17 bits"),
        (edit_slice(None, RescaleSlope=0), "MV2221", "slope of 0"),
        (edit_slice(None, RescaleType="Z_EFF"), "MV2221", "'Z_EFF'"),
        (edit_slice(2, ImagePositionPatient=None), "MV2219", "position"),
        (edit_slice(2, PixelSpacing=[0, 0]), "MV2219", "(0.0, 0.0)"),
        (edit_slice(None, ImageOrientationPatient=[1, 0, 0, 0.5, 1, 0]), "MV2219", "cosine 0.5"),
        (edit_slice(None, ImageOrientationPatient=[0] * 6), "MV2219", "lengths 0.0000"),
        (edit_slice(2, PixelData=b"\0" * 100), "MV2202", "100 of 384 bytes"),
    ],
)
def test_wrong_slices__are_refused(tmp_path: Path, edit: object, code: str, words: str) -> None:
    headers = headers_of(write_series(tmp_path / "s", stored_values(), edit=edit))
    with pytest.raises(VolumeError) as caught:
        open_series("s", headers)
    assert caught.value.code == code
    assert words in caught.value.what


def test_pixels_left_out__are_refused(tmp_path: Path) -> None:
    headers = headers_of(
        write_series(tmp_path / "s", stored_values(), edit=edit_slice(None, PixelData=None))
    )
    with pytest.raises(VolumeError, match="MV2210"):
        open_series("s", headers)


def test_missing_slices__are_refused_then_resampled_on_request(tmp_path: Path) -> None:
    stored = np.arange(8, dtype=np.int16)[:, None, None] * np.full((1, 4, 4), 100, np.int16)
    folder = write_series(tmp_path / "s", stored, keep=[0, 1, 2, 5, 6, 7])
    with pytest.raises(VolumeError, match=r"MV2216.*2 slices are missing; first gap 6.000 mm"):
        read_volume(folder)
    volume = read_volume(folder, irregular="resample")
    assert np.allclose(stored - 1024, volume.hu, rtol=0, atol=1e-3)
    assert volume.findings[0].code == "MV2216"


def test_uneven_spacing__is_refused_then_resampled_on_request(tmp_path: Path) -> None:
    places = np.asarray([0, 4.22, 5.36, 12.74, 14.0])

    def move(data: Dataset, z: int) -> None:
        data.ImagePositionPatient = [0, 0, places[z]]
        data.PixelData = np.full((4, 4), round(places[z] * 100), "<u2").tobytes()

    folder = write_series(tmp_path / "s", np.zeros((5, 4, 4), np.int16), edit=move)
    with pytest.raises(VolumeError, match=r"MV2217.*varies from 1.140 to 7.380 mm"):
        read_volume(folder)
    volume = read_volume(folder, irregular="resample")
    step = volume.spacing_mm[0]
    expected = np.arange(len(volume.hu)) * step * 100 - 1024
    assert np.allclose(expected, volume.hu[:, 0, 0], rtol=0, atol=0.01)


def test_gantry_tilt__is_refused_then_set_upright_on_request(tmp_path: Path) -> None:
    # A ramp along y of the body: upright again, every slice shows the same ramp at the same place.
    tilt = np.radians(10)
    orientation = (1, 0, 0, 0, float(np.cos(tilt)), -float(np.sin(tilt)))
    down = np.asarray(orientation[3:])

    def lean(data: Dataset, z: int) -> None:
        position = np.asarray([0.0, 0.0, 5.0 * z])
        data.ImagePositionPatient = [f"{value:.8f}" for value in position]
        along = (np.arange(40) * 0.8)[:, None] + float(position @ down)
        data.PixelData = (
            np.rint(np.broadcast_to(along * 20 + 1000, (40, 6))).astype("<u2").tobytes()
        )

    stored = np.zeros((4, 40, 6), np.int16)
    folder = write_series(tmp_path / "s", stored, orientation=orientation, edit=lean)
    with pytest.raises(VolumeError, match=r"MV2218.*lean by 10.00 degrees"):
        read_volume(folder)
    volume = read_volume(folder, irregular="resample")
    assert volume.spacing_mm[0] == pytest.approx(5 * np.cos(tilt))
    inside = volume.hu[:, 8:-8]
    expected = volume.hu[0, 8:-8]
    assert np.abs(inside - expected).max() < 1.0


def test_tiny_shifts_of_rounding__are_accepted(tmp_path: Path) -> None:
    def round_place(data: Dataset, z: int) -> None:
        data.ImagePositionPatient = [0, 0, f"{0.625 * z:.1f}"]

    stored = stored_values((20, 4, 4))
    volume = read_volume(write_series(tmp_path / "s", stored, edit=round_place))
    assert np.array_equal(stored - 1024, volume.hu)


def test_two_phases__are_refused_as_one_series(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values())
    write_series(tmp_path / "t", stored_values(seed=1))
    with pytest.raises(VolumeError, match=r"MV2215.*lie at one position"):
        open_series("s", headers_of(folder) + headers_of(tmp_path / "t"))


def test_one_slice__is_no_volume(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values(), keep=[2])
    with pytest.raises(VolumeError, match="MV2214"):
        read_volume(folder)


def test_huge_dimensions__are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    edit = edit_slice(None, Rows=65535, Columns=65535)
    headers = headers_of(write_series(tmp_path / "s", stored_values(), edit=edit))
    with pytest.raises(VolumeError, match="MV2203"):
        open_series("s", headers)


def test_many_slices__are_refused_by_the_limits(tmp_path: Path) -> None:
    headers = headers_of(write_series(tmp_path / "s", stored_values()))
    with pytest.raises(VolumeError, match="MV2203"):
        open_series("s", headers, limits=VolumeLimits(series_slices=4))
    with pytest.raises(VolumeError, match="MV2203"):
        open_series("s", headers, limits=VolumeLimits(volume_bytes=1000))


def test_absent_rescale__is_told(tmp_path: Path) -> None:
    edit = edit_slice(None, RescaleSlope=None, RescaleIntercept=None)
    volume = read_volume(write_series(tmp_path / "s", stored_values() - 1024, edit=edit))
    assert volume.findings[0].code == "MV2221"


def test_inverted_display__keeps_its_values(tmp_path: Path) -> None:
    stored = stored_values()
    edit = edit_slice(None, PhotometricInterpretation="MONOCHROME1")
    volume = read_volume(write_series(tmp_path / "s", stored, edit=edit))
    assert np.array_equal(stored - 1024, volume.hu)
    assert volume.findings[0].code == "MV2213"


def test_phase__is_a_hint_from_the_description(tmp_path: Path) -> None:
    edit = edit_slice(None, SeriesDescription="Abd_ART 1.0 Br38")
    volume = read_volume(write_series(tmp_path / "s", stored_values(), edit=edit))
    assert volume.phase == "arterial"


def test_truncated_compressed_slice__is_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values((3, 32, 32)), syntax="jpeg-2000")
    path = sorted(folder.glob("*.dcm"))[1]
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(VolumeError) as caught:
        read_volume(folder)
    assert caught.value.code in {"MV2202", "MV2212"}
    assert path.name in caught.value.what


@pytest.mark.parametrize("cores", [1, 2, 16])
def test_compressed_slices__are_read_in_order_on_any_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    stored = stored_values((30, 32, 32))
    folder = write_series(tmp_path / "s", stored, syntax="jpeg-2000")
    monkeypatch.setattr(dicom_reader.os, "sched_getaffinity", lambda _: set(range(cores)))
    undelayed = dicom_reader.read_stored_frame

    def read_late(header: SliceHeader, *more: object) -> object:
        time.sleep(0.004 if int(header.path.stem.split("-")[1]) % 3 == 0 else 0)
        return undelayed(header, *more)

    monkeypatch.setattr(dicom_reader, "read_stored_frame", read_late)
    np.testing.assert_array_equal(read_volume(folder).hu, stored - 1024)


def test_compressed_slices__stop_at_the_first_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_series(tmp_path / "s", stored_values((30, 32, 32)), syntax="jpeg-2000")
    source = open_series("s", [h for path in folder.iterdir() for h in read_slice_headers(path)])
    monkeypatch.setattr(dicom_reader.os, "sched_getaffinity", lambda _: {0, 1})
    seen = []

    def refuse_third(header: SliceHeader, *_: object) -> object:
        seen.append(header.name)
        if header is source.stack.headers[2]:
            raise VolumeError("MV2212", f"{header.name} does not decode")
        return np.zeros((32, 32), np.uint16)

    monkeypatch.setattr(dicom_reader, "read_stored_frame", refuse_third)
    with pytest.raises(VolumeError, match=r"\d-2.dcm does not decode"):
        source.read()
    assert len(seen) < 12


def test_code_stream_of_another_size__is_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values((3, 32, 32)), syntax="jpeg-ls")
    path = sorted(folder.glob("*.dcm"))[1]
    data = pydicom.dcmread(path)
    other = next(
        iter(write_series(tmp_path / "t", stored_values((2, 8, 8)), syntax="jpeg-ls").iterdir())
    )
    data.PixelData = pydicom.dcmread(other).PixelData
    data.save_as(path)
    with pytest.raises(VolumeError, match=r"MV2212.*state \(8, 8\) pixels"):
        read_volume(folder)


def test_volume_in_memory__serves_as_a_source() -> None:
    values = stored_values()
    geometry = open_geometry(values)
    volume = Volume(values, geometry)
    assert volume.read() is volume
    assert np.array_equal(values[1:2, 3:4], volume.read_region((1, 3, 0), (2, 4, 16)))


def open_geometry(values: np.ndarray) -> object:
    from medvlp.volumes.geometry import VolumeGeometry

    return VolumeGeometry(values.shape, (2.0, 0.8, 0.7), np.eye(3), (0.0, 0.0, 0.0))

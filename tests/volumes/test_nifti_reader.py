from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry, affine_ras_to_lps
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.nifti_reader import open_nifti
from tests.volumes.scans import write_nifti

VALUES = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5) * 37 - 1000


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["i1", "u1", "<i2", ">i2", "u2", "i4", "f4", "f8"])
def test_open_nifti__reads_every_type_exactly(tmp_path: Path, suffix: str, kind: str) -> None:
    values = (VALUES // 20 if kind.endswith("1") else VALUES).astype(np.int64)
    values = (abs(values) if "u" in kind else values).astype(kind)
    order = ">" if kind.startswith(">") else "<"
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    path = tmp_path / f"scan{suffix}"
    nibabel.save(nibabel.Nifti1Image(values.T, np.eye(4), header), path)
    volume = open_nifti(path).read()
    assert np.array_equal(values, volume.hu)
    assert volume.hu.dtype == (np.float32 if "f" in kind else np.int16)


@pytest.mark.parametrize(
    "box", [((0, 0, 0), (3, 4, 5)), ((1, 1, 2), (2, 4, 4)), ((2, 0, 0), (3, 1, 1))]
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_read_region__equals_the_slice_of_the_whole(
    tmp_path: Path, suffix: str, box: tuple[tuple[int, int, int], tuple[int, int, int]]
) -> None:
    source = open_nifti(write_nifti(tmp_path / f"scan{suffix}", VALUES))
    part = tuple(slice(a, b) for a, b in zip(*box, strict=True))
    assert np.array_equal(VALUES[part], source.read_region(*box))


def test_rescale__is_applied_once(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    image = nibabel.Nifti1Image(VALUES.T, np.eye(4))
    image.header.set_slope_inter(1, 0)
    nibabel.save(image, path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[112:120] = np.asarray([2, -1024], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))
    expected = np.asarray(nibabel.load(path).dataobj).T
    volume = open_nifti(path).read()
    assert np.array_equal(expected, volume.hu)
    assert volume.hu.dtype == np.int16


def test_fractional_rescale__gives_float32(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", VALUES)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.asarray([0.5, 0.25], "<f4").tobytes()
    path.write_bytes(bytes(raw))
    volume = open_nifti(path).read()
    assert volume.hu.dtype == np.float32
    assert np.array_equal(VALUES * 0.5 + 0.25, volume.hu)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.0, 5.0), (float("nan"), 5.0), (float("inf"), 5.0)]
)
def test_void_slope__means_no_rescale(tmp_path: Path, slope: float, intercept: float) -> None:
    path = write_nifti(tmp_path / "scan.nii", VALUES)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.asarray([slope, intercept], "<f4").tobytes()
    path.write_bytes(bytes(raw))
    assert np.array_equal(VALUES, open_nifti(path).read().hu)


def with_forms(path: Path, sform: float | None, qform: float | None) -> Path:
    """A file whose sform and qform put the origin at so many mm along z."""
    image = nibabel.Nifti1Image(VALUES.T, np.diag([0.7, 0.8, 2.0, 1.0]))
    for name, origin in (("sform", sform), ("qform", qform)):
        affine = np.diag([0.7, 0.8, 2.0, 1.0])
        affine[2, 3] = origin or 0.0
        getattr(image, f"set_{name}")(affine, code=0 if origin is None else 1)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(
    ("sform", "qform", "form", "z_mm"),
    [
        (10.0, None, "agree", 10.0),
        (None, 20.0, "agree", 20.0),
        (10.0, 10.2, "agree", 10.0),
        (10.0, 20.0, "sform", 10.0),
        (10.0, 20.0, "qform", 20.0),
        (None, 20.0, "sform", 20.0),
        (10.0, None, "qform", 10.0),
    ],
)
def test_forms__decide_by_their_codes(
    tmp_path: Path, sform: float | None, qform: float | None, form: str, z_mm: float
) -> None:
    source = open_nifti(with_forms(tmp_path / "scan.nii", sform, qform), form=form)
    assert source.geometry.origin_lps_mm[2] == pytest.approx(z_mm)


def test_forms__are_refused_where_they_disagree(tmp_path: Path) -> None:
    path = with_forms(tmp_path / "scan.nii", 10.0, 20.0)
    with pytest.raises(VolumeError, match=r"MV2232.*corner 10.000 mm apart"):
        open_nifti(path)


def test_forms__are_refused_where_neither_is_set(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"MV2231.*both have code 0"):
        open_nifti(with_forms(tmp_path / "scan.nii", None, None))


def test_pixdim__is_refused_where_the_sform_differs(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", VALUES)
    raw = bytearray(path.read_bytes())
    raw[88:92] = np.asarray([5.0], "<f4").tobytes()
    path.write_bytes(bytes(raw))
    with pytest.raises(VolumeError, match=r"MV2232.*along z pixdim states 5 mm, the sform 2 mm"):
        open_nifti(path)


@pytest.mark.parametrize("flips", list(itertools.product([1, -1], repeat=3)))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_orientation__keeps_its_places(
    tmp_path: Path, order: tuple[int, int, int], flips: tuple[int, int, int]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(flips)[:, list(order)] * [0.7, 0.8, 2.0]
    affine[:3, 3] = (5, -6, 7)
    source = open_nifti(write_nifti(tmp_path / "scan.nii", VALUES, affine))
    expected = VolumeGeometry.from_affine(VALUES.shape, affine_ras_to_lps(affine))
    assert not expected.difference(source.geometry, tolerance_mm=1e-3)


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (40, np.asarray([9], "<i2"), "MV2234"),  # number of dimensions
        (42, np.asarray([-3], "<i2"), "MV2234"),  # a size
        (42, np.asarray([32767, 32767, 32767], "<i2"), "MV2203"),  # far too large
        (70, np.asarray([999], "<i2"), "MV2234"),  # data type
        (70, np.asarray([128], "<i2"), "MV2235"),  # colours
        (70, np.asarray([32], "<i2"), "MV2235"),  # complex
        (108, np.asarray([np.nan], "<f4"), "MV2234"),  # offset of the voxels
        (108, np.asarray([1e30], "<f4"), "MV2234"),
        (123, np.asarray([7], "u1"), "MV2234"),  # unit of length
        (280, np.zeros(12, "<f4"), "MV2231"),  # sform
        (280, np.full(12, np.nan, "<f4"), "MV2231"),
        (344, np.frombuffer(b"ni1\0", "u1"), "MV2234"),
    ],
)
def test_damaged_header__is_refused(tmp_path: Path, at: int, value: np.ndarray, code: str) -> None:
    path = write_nifti(tmp_path / "scan.nii", VALUES)
    raw = bytearray(path.read_bytes())
    raw[at : at + value.nbytes] = value.tobytes()
    path.write_bytes(bytes(raw))
    with pytest.raises(VolumeError) as caught:
        open_nifti(path).read()
    assert caught.value.code == code


def test_not_finite__is_refused_with_slice_and_place(tmp_path: Path) -> None:
    values = VALUES.astype(np.float32)
    values[2, 3, 1] = np.inf
    with pytest.raises(VolumeError, match=r"MV2233.*slice 2 holds 1 .*first inf at .* \(2, 3, 1\)"):
        open_nifti(write_nifti(tmp_path / "scan.nii", values)).read()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.999])
def test_cut_off__is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    rng = np.random.default_rng(0)
    path = write_nifti(tmp_path / f"scan{suffix}", rng.integers(0, 99, (8, 30, 40)).astype("i2"))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(VolumeError) as caught:
        open_nifti(path)
    assert caught.value.code in {"MV2201", "MV2202"}


def test_gzip_in_parts__is_read(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", VALUES)
    raw = path.read_bytes()
    path.write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]) + gzip.compress(b""))
    assert np.array_equal(VALUES, open_nifti(path).read().hu)


def test_flipped_byte__is_refused_by_the_checksum(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = write_nifti(tmp_path / "s.nii.gz", rng.integers(0, 99, (8, 30, 40)).astype("i2"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(VolumeError, match="MV2202"):
        open_nifti(path).read()


def test_gzip_bomb__is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nii.gz"
    write_nifti(path, np.zeros((8, 512, 512), np.int16))
    assert path.stat().st_size < 20_000
    limits = VolumeLimits(inflate_floor_bytes=1 << 20)
    with pytest.raises(VolumeError, match=r"MV2203.*grows from"):
        open_nifti(path, limits=limits)


def test_values_beyond_any_ct__are_refused(tmp_path: Path) -> None:
    values = VALUES.astype(np.int32)
    values[0, 0, 0] = 2**30
    with pytest.raises(VolumeError, match="MV2235"):
        open_nifti(write_nifti(tmp_path / "scan.nii", values)).read()


def test_second_version__is_read(tmp_path: Path) -> None:
    image = nibabel.Nifti2Image(VALUES.T, np.diag([-0.7, -0.8, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "scan.nii")
    volume = open_nifti(tmp_path / "scan.nii").read()
    assert np.array_equal(VALUES, volume.hu)
    assert volume.geometry.axis_codes == "LPS"

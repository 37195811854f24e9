"""Every real scan and every broken one has its outcome in a table: read exactly, or refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry, affine_ras_to_lps
from medvlp.volumes.reader import open_found, read_volume
from medvlp.volumes.series import find_series
from medvlp.volumes.volume import Volume

SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)

# Path -> (shape (z, y, x), the sides x, y, z grow to, codes of the findings).
READ = {
    "ct/chest_imaging_platform/ct-64.nrrd": ((79, 64, 64), "LPS", ()),
    "ct/chest_imaging_platform/ct-64Dicom": ((79, 64, 64), "LPS", ()),
    "ct/chest_imaging_platform/lm-64.nrrd": ((79, 64, 64), "LPS", ("MV2236",)),
    "ct/dcmqi/liver_seg.nrrd": ((3, 512, 512), "LPS", ("MV2236",)),
    "ct/kits_nc/case_00004_segmentation.nii.gz": ((512, 512, 64), "IPL", ("MV2236",)),
    "ct/kits_nc/case_00041_segmentation.nii.gz": ((512, 512, 52), "IPL", ("MV2236",)),
    "ct/kits_nc/case_00108_segmentation.nii.gz": ((512, 512, 51), "IPL", ("MV2236",)),
    "ct/lidc2/lidc2_uint8.nii.gz": ((133, 256, 256), "RAS", ("MV2236",)),
    "ct/totalsegmentator/abdomen_3mm/ct.nii.gz": ((30, 101, 122), "RAS", ()),
    "ct/totalsegmentator/abdomen_3mm/seg_total.nii.gz": ((30, 101, 122), "RAS", ("MV2236",)),
    "ct/totalsegmentator/abdomen_dicom_jpeg2000/dicom": ((20, 512, 512), "LPS", ()),
    "ct/totalsegmentator/abdomen_dicom_jpeg2000/seg_total.nii.gz": (
        (20, 512, 512),
        "LAS",
        ("MV2236",),
    ),
    "ct/totalsegmentator/aorta_1.5mm/ct.nii.gz": ((164, 126, 120), "LPS", ()),
    "ct/totalsegmentator/aorta_1.5mm/seg_aorta.nii.gz": ((164, 126, 120), "LPS", ("MV2236",)),
    "ct/totalsegmentator/torso_3mm/ct.nii.gz": ((112, 101, 122), "RAS", ()),
    "ct/totalsegmentator/torso_3mm/seg_vertebrae.nii.gz": ((112, 101, 122), "RAS", ("MV2236",)),
}

# Path -> (code, what the message must name: file or slice, and the value).
REFUSED = {
    "broken/dicom/git_lfs_pointer.dcm": ("MV2201", "Git LFS pointer"),
    "broken/dicom/pydicom_CT_small.dcm": ("MV2214", "one slice"),
    "broken/dicom/pydicom_DICOMDIR-empty.dcm": ("MV2205", "no image"),
    "broken/dicom/pydicom_ExplVR_BigEndNoMeta.dcm": ("MV2210", "RT Ion Plan Storage"),
    "broken/dicom/pydicom_ExplVR_LitEndNoMeta.dcm": ("MV2210", "RT Ion Plan Storage"),
    "broken/dicom/pydicom_JPEG2000.dcm": ("MV2211", "secondary capture"),
    "broken/dicom/pydicom_MR_small_RLE.dcm": ("MV2210", "'MR'"),
    "broken/dicom/pydicom_MR_small_bigendian.dcm": ("MV2210", "'MR'"),
    "broken/dicom/pydicom_MR_small_jpeg_ls_lossless.dcm": ("MV2210", "'MR'"),
    "broken/dicom/pydicom_MR_truncated.dcm": ("MV2210", "'MR'"),
    "broken/dicom/pydicom_SC_rgb_jpeg_app14_dcmd.dcm": ("MV2211", "secondary capture"),
    "broken/dicom/pydicom_badVR.dcm": ("MV2210", "'RTDOSE'"),
    "broken/dicom/pydicom_empty_charset_LEI.dcm": ("MV2210", "no image of a scan"),
    "broken/dicom/pydicom_meta_missing_tsyntax.dcm": ("MV2210", "no image of a scan"),
    "broken/dicom/pydicom_no_meta.dcm": ("MV2201", "no scan of a known format"),
    "broken/dicom/pydicom_no_meta_group_length.dcm": ("MV2210", "RT Image Storage"),
    "broken/dicom/pydicom_priv_SQ.dcm": ("MV2210", "MR Image Storage"),
    "broken/dicom/pydicom_reportsi.dcm": ("MV2210", "Basic Text SR Storage"),
    "broken/dicom/pydicom_rtplan_truncated.dcm": ("MV2210", "RT Plan Storage"),
    "broken/dicom_series/gantrytilting": ("MV2218", "14.00 degrees"),
    "broken/dicom_series/notavolume": ("MV2215", "001.dcm and 002.dcm"),
    "broken/dicom_series/one_slice_truncated": ("MV2202", "03.dcm is cut off: 1710 of 8192"),
    "broken/dicom_series/slicecount": ("MV2210", "'MR'"),
    "broken/dicom_series/sliceincrement": (
        "MV2216",
        "10.000 mm between IM-0001-0009-0001.dcm and IM-0001-0010-0001.dcm",
    ),
    "broken/dicom_series/sliceorientation": ("MV2210", "2 series of modality 'MR'"),
    "broken/nifti/4d.nii.gz": ("MV2230", "61 x 51 x 15 x 2"),
    "broken/nifti/header_only.nii.gz": ("MV2202", "end at byte 739672, the data at 352"),
    "broken/nifti/nan_inf.nii.gz": ("MV2233", "slice 0 holds 612 values"),
    "broken/nifti/truncated.nii.gz": ("MV2202", "end at byte 739672, the data at 369714"),
    "ct/kits_nc/kits23.json": ("MV2201", "kits23.json"),
    "ct/msd_lung_patches/patches.npz": ("MV2205", "holds no scan"),
}
# Folders whose contents stand in the table above one by one, or that hold several scans.
SEVERAL = {
    "ct/chest_imaging_platform": 3,
    "ct/dcmqi": 2,
    "ct/kits_nc": 3,
    "ct/totalsegmentator": 8,
}


def reference(path: Path) -> SimpleITK.Image:
    """The scan as SimpleITK reads it."""
    if not path.is_dir():
        return SimpleITK.ReadImage(str(path))
    (series,) = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(path)) or ("",)
    return SimpleITK.ReadImage(
        SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), series)
    )


def corner_distance_mm(image: SimpleITK.Image, geometry: VolumeGeometry) -> float:
    ends = [(0, size - 1) for size in geometry.shape_zyx]
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([float(x), float(y), float(z)])
        for z, y, x in itertools.product(*ends)
    ]
    distance = np.linalg.norm(np.asarray(corners) - geometry.corners_lps_mm(), axis=1)
    return float(distance.max())


def assert_as_reference(path: Path, volume: Volume) -> None:
    image = reference(path)
    expected = SimpleITK.GetArrayFromImage(image)
    assert np.array_equal(expected, volume.hu)
    assert corner_distance_mm(image, volume.geometry) < 1e-3


@pytest.mark.parametrize("name", READ)
def test_real_scan__is_read_as_simpleitk_reads_it(real_data: Path, name: str) -> None:
    shape, codes, findings = READ[name]
    volume = read_volume(real_data / name)
    assert volume.hu.shape == shape
    assert volume.geometry.axis_codes == codes
    assert tuple(finding.code for finding in volume.findings) == findings
    assert_as_reference(real_data / name, volume)


@pytest.mark.parametrize("name", [name for name in READ if ".nii" in name])
def test_real_nifti__is_read_as_nibabel_reads_it(real_data: Path, name: str) -> None:
    volume = read_volume(real_data / name)
    image = nibabel.load(real_data / name)
    assert np.array_equal(np.asanyarray(image.dataobj).T, volume.hu)
    expected = VolumeGeometry.from_affine(volume.hu.shape, affine_ras_to_lps(image.affine))
    assert not expected.difference(volume.geometry, tolerance_mm=1e-3)


@pytest.mark.parametrize("name", REFUSED)
def test_broken_scan__is_refused_with_code_slice_and_value(real_data: Path, name: str) -> None:
    code, words = REFUSED[name]
    with pytest.raises(VolumeError) as caught:
        read_volume(real_data / name)
    assert caught.value.code == code
    assert words in caught.value.what


@pytest.mark.parametrize("name", SEVERAL)
def test_folder_of_scans__is_refused_as_one_and_searched_as_many(
    real_data: Path, name: str
) -> None:
    with pytest.raises(VolumeError, match="MV2206"):
        read_volume(real_data / name)
    found = find_series(real_data / name).series
    assert len([series for series in found if series.kind == "volume"]) == SEVERAL[name]


def test_dcmqi_slices__are_read_beside_their_segmentation(real_data: Path) -> None:
    found = {series.name: series for series in find_series(real_data / "ct/dcmqi").series}
    assert found["liver.dcm"].kind == "segmentation"
    volume = open_found(found["dcmqi"]).read()
    image = SimpleITK.ReadImage(
        [str(real_data / f"ct/dcmqi/ct-3slice_0{number}.dcm") for number in (3, 2, 1)]
    )
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.hu)
    assert corner_distance_mm(image, volume.geometry) < 1e-3


def test_table__has_every_file(real_data: Path) -> None:
    listed = [real_data / name for name in (*READ, *REFUSED)]
    known_others = {
        *(real_data / "ct/dcmqi").glob("*.dcm"),
        *(real_data / "ct/totalsegmentator").rglob("*.json"),
    }
    missing = [
        path
        for folder in ("ct", "broken/dicom", "broken/dicom_series", "broken/nifti")
        for path in (real_data / folder).rglob("*")
        if path.is_file()
        and path not in known_others
        and not any(path == entry or entry in path.parents for entry in listed)
    ]
    assert not missing


@pytest.mark.parametrize(
    ("name", "shape"), [("gantrytilting", (4, 512, 512)), ("sliceincrement", (5, 512, 512))]
)
def test_irregular_series__is_resampled_on_request(
    real_data: Path, name: str, shape: tuple[int, int, int]
) -> None:
    volume = read_volume(real_data / "broken/dicom_series" / name, irregular="resample")
    assert volume.hu.shape == shape
    assert volume.findings[0].text.startswith("resampled: ")


def test_real_mr__is_read_on_request(real_data: Path) -> None:
    folder = real_data / "broken/dicom_series/slicecount"
    volume = read_volume(folder, modalities=("MR",))
    assert volume.modality == "MR"
    assert_as_reference(folder / "001", volume)

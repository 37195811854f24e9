"""Cases are found by content, named after their place, and rubbish is set aside."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import UsageError
from medvlp.pipelines.discover import discover_cases
from tests.pipelines.test_sniff import (
    CT_IMAGE,
    SEGMENTATION,
    WHOLE_SLIDE,
    write_dicom,
    write_nifti,
)

TIFF = b"II*\0rest"
SCAN = np.random.default_rng(0).integers(-1000, 400, (8, 8, 4)).astype(np.int16)
MASK = (SCAN > 200).astype(np.uint8)


def touch(path: Path, content: bytes = TIFF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_discover__names_cases_by_their_place(tmp_path: Path) -> None:
    touch(tmp_path / "b.svs")
    touch(tmp_path / "site 1" / "a.svs")
    found = discover_cases(tmp_path)
    assert [case.case_id for case in found.cases] == ["b.svs", "site 1/a.svs"]
    assert found.cases[0].case_key == "b"
    assert found.cases[1].case_key.startswith("site_1_a")
    assert all(case.modality == "slide" for case in found.cases)


def test_discover__sets_rubbish_aside_with_a_reason(tmp_path: Path) -> None:
    touch(tmp_path / "a.svs")
    touch(tmp_path / "notes.txt", b"hello")
    touch(tmp_path / ".hidden.svs")
    touch(tmp_path / ".cache" / "b.svs")
    touch(tmp_path / "out" / "c.svs")
    found = discover_cases(tmp_path, exclude=[tmp_path / "out"])
    assert [case.case_id for case in found.cases] == ["a.svs"]
    assert [(entry.name, entry.why) for entry in found.skipped] == [
        ("notes.txt", "not an image of a known kind")
    ]


def test_discover__tells_of_links_to_folders(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.svs").write_bytes(b"II*\0")
    (tmp_path / "in" / "sub" / "circle").symlink_to(tmp_path / "in")
    found = discover_cases(tmp_path / "in")
    assert [case.case_id for case in found.cases] == ["a.svs"]
    assert [(entry.name, "link to a folder" in entry.why) for entry in found.skipped] == [
        ("sub/circle", True)
    ]


def test_discover__joins_the_levels_of_a_dicom_slide(tmp_path: Path) -> None:
    write_dicom(tmp_path / "0.dcm", WHOLE_SLIDE, series="1.2.9", flavour="THUMBNAIL")
    write_dicom(tmp_path / "1.dcm", WHOLE_SLIDE, series="1.2.9")
    write_dicom(tmp_path / "2.dcm", WHOLE_SLIDE, series="1.2.8")
    write_dicom(tmp_path / "3.dcm", SEGMENTATION)
    write_dicom(tmp_path / "4.dcm", CT_IMAGE, series="1.2.7")
    found = discover_cases(tmp_path)
    assert [(case.case_id, case.modality) for case in found.cases] == [
        ("1.dcm", "slide"),
        ("2.dcm", "slide"),
        ("4.dcm", "ct"),
    ]
    assert [path.name for path in found.cases[0].companions] == ["0.dcm"]
    assert [entry.name for entry in found.skipped] == ["3.dcm"]


def test_discover__takes_a_named_file_as_a_case_whatever_it_is(tmp_path: Path) -> None:
    (case,) = discover_cases(touch(tmp_path / "x.pdf", b"%PDF")).cases
    assert (case.case_id, case.modality) == ("x.pdf", "slide")


def test_discover__reads_a_manifest_and_keeps_missing_files(tmp_path: Path) -> None:
    manifest = touch(tmp_path / "slides.csv", b"path,case_id,slide_mpp\ngone.svs,P1,0.25\n")
    (case,) = discover_cases(manifest).cases
    assert (case.case_id, case.case_key, case.slide_mpp) == ("P1", "P1", 0.25)
    assert case.path == tmp_path / "gone.svs"


def test_discover__reads_scans_and_masks_of_a_manifest(tmp_path: Path) -> None:
    write_nifti(tmp_path / "ct.nii.gz", SCAN)
    (tmp_path / "series").mkdir()
    manifest = touch(tmp_path / "scans.csv", b"path,case_id,mask\nct.nii.gz,A,m/a.nii\nseries,B,\n")
    one, other = discover_cases(manifest).cases
    assert (one.modality, one.mask) == ("ct", tmp_path / "m/a.nii")
    assert (other.modality, other.mask, other.path) == ("ct", None, tmp_path / "series")


def test_discover__refuses_an_input_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"MV1101: input .*nowhere does not exist"):
        discover_cases(tmp_path / "nowhere")


def test_discover__refuses_a_folder_without_cases(tmp_path: Path) -> None:
    touch(tmp_path / "readme.md", b"# hi")
    with pytest.raises(UsageError, match="MV1102: no slide, scan or image was found"):
        discover_cases(tmp_path)


def test_discover__sorts_the_real_slides(real_data: Path) -> None:
    found = discover_cases(real_data / "slides" / "real")
    by_id = {case.case_id: case for case in found.cases}
    assert by_id["openslide_boxes_0.dcm"].companions == (
        real_data / "slides" / "real" / "openslide_boxes_1.dcm",
    )
    assert {entry.name for entry in found.skipped} == {
        "highdicom_seg_image_sm_dots_tiled_full.dcm",
        "highdicom_sm_annotations.dcm",
    }
    assert len(by_id) == 12


def test_discover__finds_masks_beside_scans(tmp_path: Path) -> None:
    for folder in ("flat", "one/segmentations"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("flat/a", "flat/b", "one/ct"):
        write_nifti(tmp_path / f"{name}.nii.gz", SCAN)
    for name in ("flat/a_seg", "flat/z", "one/segmentations/liver", "one/segmentations/spleen"):
        write_nifti(tmp_path / f"{name}.nii.gz", MASK)
    found = discover_cases(tmp_path)
    assert {case.case_id: case.mask for case in found.cases} == {
        "flat/a.nii.gz": tmp_path / "flat/a_seg.nii.gz",
        "flat/b.nii.gz": None,
        "one/ct.nii.gz": tmp_path / "one/segmentations",
    }
    assert [entry.name for entry in found.skipped] == ["flat/z.nii.gz"]
    assert "belongs to no scan" in found.skipped[0].why


def test_discover__pairs_scans_with_a_folder_of_masks(tmp_path: Path) -> None:
    for folder in ("in/p1", "in/masks/p1"):
        (tmp_path / folder).mkdir(parents=True)
    write_nifti(tmp_path / "in/p1/a.nii.gz", SCAN)
    write_nifti(tmp_path / "in/p1/b_0000.nii.gz", SCAN)
    write_nifti(tmp_path / "in/masks/p1/b.nii.gz", MASK)
    found = discover_cases(tmp_path / "in", masks=tmp_path / "in/masks")
    assert {case.case_id: case.mask for case in found.cases} == {
        "p1/a.nii.gz": None,
        "p1/b_0000.nii.gz": tmp_path / "in/masks/p1/b.nii.gz",
    }
    assert not found.skipped


def test_discover__refuses_masks_that_fit_no_scan(tmp_path: Path) -> None:
    for folder in ("in", "masks"):
        (tmp_path / folder).mkdir()
    write_nifti(tmp_path / "in/a.nii.gz", SCAN)
    write_nifti(tmp_path / "in/b.nii.gz", SCAN)
    with pytest.raises(UsageError, match=r"MV1121: .* holds no label map"):
        discover_cases(tmp_path / "in", masks=tmp_path / "masks")
    write_nifti(tmp_path / "masks/c.nii.gz", MASK)
    with pytest.raises(UsageError, match=r"MV1121: no label map in .* belongs to one of the 2"):
        discover_cases(tmp_path / "in", masks=tmp_path / "masks")
    with pytest.raises(UsageError, match=r"MV1101: --masks .* is no folder"):
        discover_cases(tmp_path / "in", masks=tmp_path / "nowhere")


def test_discover__takes_one_mask_for_one_scan(tmp_path: Path) -> None:
    scan = write_nifti(tmp_path / "a.nii.gz", SCAN)
    mask = write_nifti(tmp_path / "organs.nii.gz", MASK)
    (case,) = discover_cases(scan, masks=mask).cases
    assert (case.case_id, case.modality, case.mask) == ("a.nii.gz", "ct", mask)


def test_discover__opens_archives(tmp_path: Path) -> None:
    inside = write_nifti(tmp_path / "ct.nii.gz", SCAN)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(inside, "x/one.nii.gz")
        archive.write(inside, "x/two.nii.gz")
    inside.unlink()
    found = [(case.case_id, case.series) for case in discover_cases(tmp_path).cases]
    assert found == [
        ("two.zip/x/one.nii.gz", "x/one.nii.gz"),
        ("two.zip/x/two.nii.gz", "x/two.nii.gz"),
    ]
    assert len(discover_cases(tmp_path / "two.zip").cases) == 2


def test_discover__sorts_the_real_scans(real_data: Path) -> None:
    found = discover_cases(real_data / "ct")
    masks = {case.case_id: case.mask and case.mask.name for case in found.cases}
    assert masks == {
        "chest_imaging_platform/ct-64.nrrd": None,
        "chest_imaging_platform/ct-64Dicom": None,
        "dcmqi": "liver.dcm",
        "lidc2/lidc2_uint8.nii.gz": None,
        "totalsegmentator/abdomen_3mm/ct.nii.gz": "seg_total.nii.gz",
        "totalsegmentator/abdomen_dicom_jpeg2000/dicom": "seg_total.nii.gz",
        "totalsegmentator/aorta_1.5mm/ct.nii.gz": "seg_aorta.nii.gz",
        "totalsegmentator/torso_3mm/ct.nii.gz": "seg_vertebrae.nii.gz",
    }
    assert all(case.modality == "ct" for case in found.cases)
    why = {entry.name: entry.why for entry in found.skipped}
    assert "label map" in why["kits_nc/case_00004_segmentation.nii.gz"]


def test_discover__sorts_broken_files(real_data: Path) -> None:
    found = discover_cases(real_data / "broken")
    scans = {case.case_id: len(case.companions) for case in found.cases if case.modality == "ct"}
    assert scans["dicom_series/one_slice_truncated"] == 5
    assert "dicom/git_lfs_pointer.dcm" in scans
    assert "nifti/truncated.nii.gz" in scans
    why = {entry.name: entry.why for entry in found.skipped}
    assert why["dicom_series/slicecount/001"] == "a series of modality MR (2 images), no CT"
    assert why["dicom/pydicom_JPEG2000.dcm"].startswith("a secondary capture")

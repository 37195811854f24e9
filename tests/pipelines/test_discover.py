"""Cases are found by content, named after their place, and rubbish is set aside."""

from pathlib import Path

import pytest

from medvlp.errors import UsageError
from medvlp.pipelines.discover import discover_cases
from tests.pipelines.test_sniff import CT_IMAGE, SEGMENTATION, WHOLE_SLIDE, write_dicom

TIFF = b"II*\0rest"


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

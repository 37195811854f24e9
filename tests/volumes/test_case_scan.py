"""A case is opened again from its files alone, whatever they are."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.types import Case
from medvlp.volumes.case_scan import case_content_sha256, opened_case, read_case_volume
from tests.volumes.bodies import make_body, save_scan, save_series


def case_of(paths: list[Path], series: str = "") -> Case:
    return Case(
        case_id="a",
        case_key="a",
        path=paths[0],
        modality="ct",
        companions=tuple(paths[1:]),
        series=series,
    )


def test_opened_case__reads_the_slices_of_a_case_and_no_others(tmp_path: Path) -> None:
    volume, _ = make_body()
    slices = sorted(save_series(tmp_path, volume).glob("*.dcm"))
    save_series(tmp_path / "other", volume, series="1.7")
    found = read_case_volume(case_of(slices))
    np.testing.assert_array_equal(found.hu, volume.hu.clip(-1024, 3071))
    with opened_case(case_of(slices[::-1])) as scan:
        assert scan.found.format == "dicom"
        assert scan.source.geometry.difference(volume.geometry) == ""


def test_opened_case__tells_of_a_slice_that_cannot_be_read(tmp_path: Path) -> None:
    volume, _ = make_body()
    save_series(tmp_path, volume, keep=range(39))
    broken = tmp_path / "last.dcm"
    broken.write_bytes(b"")
    with opened_case(case_of(sorted(tmp_path.glob("*.dcm")))) as scan:
        assert [finding.code for finding in scan.findings] == ["MV2202"]


def test_opened_case__names_a_scan_whose_slices_lie_in_two_folders(tmp_path: Path) -> None:
    slices = sorted(save_series(tmp_path / "head", make_body()[0]).glob("*.dcm"))
    (tmp_path / "feet").mkdir()
    moved = [file.rename(tmp_path / "feet" / file.name) for file in slices[:9]]
    with opened_case(case_of([*slices[9:], *moved])) as scan:
        assert scan.found.name == tmp_path.name


def test_opened_case__takes_the_named_series_of_an_archive(tmp_path: Path) -> None:
    one, other = make_body(seed=1)[0], make_body(seed=2)[0]
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(save_scan(tmp_path / "one.nii", one), "one.nii")
        archive.write(save_scan(tmp_path / "two.nii", other), "x/two.nii")
    found = read_case_volume(case_of([tmp_path / "two.zip"], "x/two.nii"))
    np.testing.assert_array_equal(found.hu, other.hu)
    with pytest.raises(VolumeError, match="MV2206"):
        read_case_volume(case_of([tmp_path / "two.zip"]))
    with pytest.raises(VolumeError, match=r"MV2205: two.zip holds no series 'gone.nii' any more"):
        read_case_volume(case_of([tmp_path / "two.zip"], "gone.nii"))


def test_content_sha256__is_that_of_all_files_in_any_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    whole = case_content_sha256(case_of(paths))
    assert case_content_sha256(case_of(paths[::-1])) == whole
    assert case_content_sha256(case_of(paths[:2])) != whole
    assert case_content_sha256(replace(case_of(paths), series="x")) != whole
    paths[2].write_text("changed")
    assert case_content_sha256(case_of(paths)) != whole

"""A tree of scans of all formats becomes a folder of stored volumes with a manifest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from medvlp.cli.entry import run
from medvlp.io import read_csv
from medvlp.jobs.outcomes import JobReport
from medvlp.pipelines.convert_scans import MANIFEST_COLUMNS, ConvertSettings, discover_scans
from medvlp.volumes.store import open_stored
from preprocessing.convert_ct import ConvertCtConfig, main
from tests.volumes.scans import stored_values, write_nifti, write_series

ROOT = Path(__file__).parent.parent.parent
VALUES = stored_values((6, 16, 20)) - 1024


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two good scans, a label map, a series with a gap, a note."""
    folder = tmp_path / "scans"
    write_series(folder / "dicom", VALUES + 1024)
    write_series(folder / "gap", VALUES + 1024, keep=[0, 1, 3, 4, 5], series="1.2.5")
    write_nifti(folder / "nifti.nii.gz", VALUES)
    write_nifti(folder / "labels.nii.gz", (VALUES > 2000).astype(np.uint8))
    (folder / "note.txt").write_text("nothing")
    return folder


def statuses(report: JobReport) -> dict[str, str]:
    return {outcome.case_id: outcome.code or outcome.status for outcome in report.outcomes}


def test_convert_ct__stores_scans_and_lists_the_rest(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = ConvertCtConfig(source=scans, out=out)
    first, second = main(config), main(config)
    failed = {"gap": "MV2216", "labels.nii.gz": "MV2236"}
    assert statuses(first) == {"dicom": "done", "nifti.nii.gz": "done"} | failed
    assert statuses(second) == {"dicom": "reused", "nifti.nii.gz": "reused"} | failed
    assert first.exit_code == 1
    rows = read_csv(out / "volumes.csv")
    assert [row["case_id"] for row in rows] == ["dicom", "nifti.nii.gz"]
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    for row in rows:
        stored = open_stored(out / row["volume"])
        assert np.array_equal(VALUES, stored.read().hu)
        assert stored.geometry.geometry_sha256 == row["geometry_sha256"]
    assert {row["code"] for row in read_csv(out / "failures.csv")} == set(failed.values())
    assert [row["name"] for row in read_csv(out / "skipped.csv")] == ["note.txt"]


def test_convert_ct__resamples_and_excludes_on_request(scans: Path, tmp_path: Path) -> None:
    config = ConvertCtConfig(
        source=scans, out=tmp_path / "out", exclude=("*label*",), irregular="resample"
    )
    report = main(config)
    assert statuses(report) == {"dicom": "done", "gap": "done", "nifti.nii.gz": "done"}
    row = read_csv(tmp_path / "out" / "volumes.csv")[1]
    assert (row["depth"], row["findings"]) == ("6", "MV2216")


def test_convert_ct__does_not_reuse_what_was_made_of_other_files(
    scans: Path, tmp_path: Path
) -> None:
    config = ConvertCtConfig(source=scans, out=tmp_path / "out", exclude=("*label*", "gap"))
    main(config)
    write_nifti(scans / "nifti.nii.gz", VALUES + 1)
    assert statuses(main(config)) == {"dicom": "reused", "nifti.nii.gz": "MV2253"}


def test_exclude__compares_the_last_part_of_a_name(scans: Path, tmp_path: Path) -> None:
    (scans / "mask_of_more").mkdir()
    (scans / "nifti.nii.gz").rename(scans / "mask_of_more" / "nifti.nii.gz")
    settings = ConvertSettings(exclude=("*mask*", "gap", "d?com", "labels*"))
    with discover_scans(scans, settings) as discovery:
        assert [scan.name for scan in discovery.scans] == ["mask_of_more/nifti.nii.gz"]
    with discover_scans(scans, ConvertSettings(exclude=("mask_of_more/*",))) as discovery:
        assert [scan.name for scan in discovery.scans] == ["dicom", "gap", "labels.nii.gz"]


def test_convert_ct__reads_a_zip(scans: Path, tmp_path: Path) -> None:
    shutil.rmtree(scans / "gap")
    shutil.make_archive(str(tmp_path / "scans"), "zip", scans)
    config = ConvertCtConfig(
        source=tmp_path / "scans.zip", out=tmp_path / "out", exclude=("labels*",)
    )
    assert statuses(main(config)) == {"dicom": "done", "nifti.nii.gz": "done"}


def test_convert_ct__is_run_from_its_configuration(scans: Path, tmp_path: Path) -> None:
    words = [str(ROOT / "configs/preprocess/ct.yaml"), f"source={scans}", f"out={tmp_path / 'o'}"]
    assert run(main, ConvertCtConfig, words) == 1
    assert {row["case_id"] for row in read_csv(tmp_path / "o" / "failures.csv")} == {"gap"}

"""Cohorts of phantom scans."""

from collections import Counter

import pytest

from medvlp.io import read_csv
from medvlp.phantoms.abdomen.cohort import (
    KIDNEY_COLUMNS,
    MANIFEST_COLUMNS,
    draw_splits,
    write_scan_cohort,
)
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import read_volume

SMALL = {"shape_zyx": (24, 40, 48), "spacing_mm": (10.0, 7.5, 8.25)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    seen = []
    scans = write_scan_cohort(
        folder, patients=4, seed=3, phases=("N", "V"), on_scan=lambda: seen.append(1), **SMALL
    )
    assert len(seen) == len(scans) == 8
    return folder, scans


def test_cohort__is_described_by_its_manifest(cohort):
    folder, scans = cohort
    rows = read_csv(folder / "manifest.csv")
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    for row, scan in zip(rows, scans, strict=True):
        assert folder / row["path"] == scan.path
        volume = read_volume(folder / row["path"])
        assert read_mask(folder / row["mask"], like=volume.geometry).labels.any()
        assert row["report"] == scan.report.text
        assert float(row["months"]) == scan.patient.survival.months
        assert row["event"] == str(int(scan.patient.survival.event))
        has_cancer = any(scan.patient.is_malignant.values())
        assert (row["label"] == "malignant") == has_cancer
    assert Counter(row["phase"] for row in rows) == {"N": 4, "V": 4}
    assert len({row["patient_id"] for row in rows}) == 4


def test_cohort__has_a_row_for_each_kidney(cohort):
    folder, scans = cohort
    rows = read_csv(folder / "kidneys.csv")
    assert tuple(rows[0]) == KIDNEY_COLUMNS
    assert len(rows) == 8
    patients = {scan.patient_id: scan for scan in scans}
    for row in rows:
        scan = patients[row["patient_id"]]
        for name, word in scan.patient.attributes[row["side"]].items():
            assert row[name] == (word or "")
        assert row["findings"] == scan.report.kidneys[row["side"]].findings


def test_cohort__of_series_holds_folders(tmp_path):
    scans = write_scan_cohort(tmp_path, patients=1, seed=3, file_format="dicom", **SMALL)
    assert scans[0].path.is_dir()
    assert read_volume(scans[0].path).hu.shape == SMALL["shape_zyx"]


def test_splits__have_their_shares_and_are_shuffled():
    splits = draw_splits(200, 5)
    assert Counter(splits) == {"train": 120, "validation": 30, "test": 50}
    assert splits == draw_splits(200, 5) != draw_splits(200, 6)
    assert len(set(splits[:20])) > 1

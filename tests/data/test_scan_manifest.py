"""Rows of a folder of crops, by split, kidney and report."""

from pathlib import Path

import pytest

from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.errors import DataError
from tests.data.scan_samples import make_info, make_records, write_samples


def test_kidneys__hold_the_phases_of_one_side(tmp_path: Path) -> None:
    kidneys = read_scan_pairs(write_samples(tmp_path)).kidneys("train")
    assert len(kidneys) == 12
    for rows in kidneys:
        assert len({(row.patient, row.side) for row in rows}) == 1
        assert sorted(row.phase for row in rows) == ["A", "N", "V"]


def test_rows__of_no_such_split(tmp_path: Path) -> None:
    manifest = read_scan_pairs(write_samples(tmp_path, make_records(1)))
    with pytest.raises(DataError, match="MV1721"):
        manifest.rows("test")


def test_preprocessing__is_what_the_model_sees(tmp_path: Path) -> None:
    seen = read_scan_pairs(write_samples(tmp_path)).info.preprocessing
    assert (seen.shape_zyx, seen.box_mm, seen.region) == ((4, 8, 8), (16, 16, 16), "kidney")


def test_reports__are_listed_once_and_empty_ones_not(tmp_path: Path) -> None:
    records = make_records(2, report="")[:3] + make_records(2)[3:]
    reports = read_scan_pairs(write_samples(tmp_path, records)).reports("train")
    assert sorted(reports) == [
        "Findings: A mass of 3 cm. It lies in the left kidney.",
        "Findings: No abnormalities in the right kidney.",
    ]


def test_scan_pairs_info__has_room_for_what_the_model_sees() -> None:
    assert make_info(shape_zyx=(6, 12, 12)).shape_zyx == (6, 12, 12)
    with pytest.raises(ValueError, match="do not hold"):
        make_info(shape_zyx=(6, 12, 13))

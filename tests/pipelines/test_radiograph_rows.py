"""What becomes of every cell of a manifest of radiographs, as a table."""

from pathlib import Path
from typing import Any

import pytest

from medvlp.errors import ConfigError, DataError
from medvlp.io import write_csv
from medvlp.pipelines.radiograph_rows import read_training_radiographs, read_view
from medvlp.text.reports.finding_labels import FindingLabeller

GOOD = {"path": "a.png", "patient_id": "p1", "split": "train", "mass": "1"}
COLUMNS = {"lung mass": "mass"}


def read(tmp_path: Path, *rows: dict[str, Any], **more: Any):
    table = [GOOD | row for row in rows]
    write_csv(tmp_path / "m.csv", table, list(dict.fromkeys(k for row in table for k in row)))
    options = {"label_columns": COLUMNS, "labeller": None} | more
    return read_training_radiographs(tmp_path / "m.csv", **options)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1", {"lung mass": 1}),
        ("0", {"lung mass": 0}),
        ("-1", {"lung mass": -1}),
        ("1.0", {"lung mass": 1}),
        ("-1.0", {"lung mass": -1}),
        ("", {}),
        ("NaN", {}),
    ],
)
def test_labels__are_present_absent_uncertain_or_not_mentioned(
    tmp_path: Path, cell: str, expected: dict[str, int]
) -> None:
    (row,) = read(tmp_path, {"mass": cell})
    assert row.fault is None
    assert row.labels == expected
    assert row.from_columns == len(expected)


@pytest.mark.parametrize(
    "cells",
    [
        {"mass": "2"},
        {"mass": "-2"},
        {"mass": "0.5"},
        {"mass": "yes"},
        {"mass": "inf"},
        {"patient_id": ""},
        {"split": "val"},
        {"view": "oblique"},
        {"frame": "-1"},
        {"report": "x" * 50_001},
    ],
)
def test_cells__that_cannot_be_fail_their_row_only(tmp_path: Path, cells: dict[str, str]) -> None:
    bad, good = read(tmp_path, cells, {"path": "b.png", "patient_id": "p2", "view": "pa"})
    assert bad.fault is not None
    assert bad.fault.code == "MV1797"
    assert next(iter(cells)) in bad.fault.what
    assert good.fault is None
    assert good.view == "PA"


@pytest.mark.parametrize(
    ("words", "view"),
    [
        ("pa", "PA"),
        ("AP Supine", "AP"),
        ("portable AP" , None),
        ("AP", "AP"),
        ("L", "LATERAL"),
        ("left lateral", "LATERAL"),
        ("LL", "LATERAL"),
        ("PA view", "PA"),
        ("", ""),
        ("frontal", None),
        ("LAO", None),
    ],
)  # fmt: skip
def test_read_view__knows_the_words_of_tables(words: str, view: str | None) -> None:
    assert read_view(words) == view


def test_rows__take_labels_from_columns_before_the_report(tmp_path: Path) -> None:
    labeller = FindingLabeller({"lung mass": (), "pleural effusion": (), "pneumothorax": ()})
    text = "There is no lung mass. Left pleural effusion."
    (row,) = read(tmp_path, {"report": text}, labeller=labeller)
    assert row.labels == {"lung mass": 1, "pleural effusion": 1}
    (silent,) = read(tmp_path, {"report": text, "mass": ""}, labeller=labeller)
    assert silent.labels == {"lung mass": 0, "pleural effusion": 1}
    assert silent.from_columns == 0


def test_rows__put_findings_and_impression_together(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"findings": "Clear lungs", "impression": "Normal"})
    assert row.report == "Findings: Clear lungs.\nImpression: Normal."


def test_rows__fail_where_a_report_is_not_readable(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"report": "12 34"}, labeller=FindingLabeller({"lung mass": ()}))
    assert row.fault is not None
    assert row.fault.code == "MV2300"


def test_manifest__is_refused_for_a_patient_in_two_splits_or_without_a_column(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match="MV1726"):
        read(tmp_path, {}, {"path": "b.png", "split": "test"})
    with pytest.raises(ConfigError, match="no column 'masses'"):
        read(tmp_path, {}, label_columns={"lung mass": "masses"})


def test_rows__name_no_patient(tmp_path: Path) -> None:
    one, two = (read(tmp_path, {}, salt=salt)[0].patient for salt in ("a", "b"))
    assert one != two
    assert "p1" not in one

"""Rows of a manifest of scans: what is read of them, and what makes a row fail."""

import math
from pathlib import Path

import pytest

from medvlp.errors import ConfigError, DataError
from medvlp.io import write_csv
from medvlp.pipelines.training_scans import (
    SideLabels,
    TrainingScan,
    phase_letter,
    read_side_labels,
    read_training_scans,
)
from medvlp.volumes.dicom_slices import _PHASES

MASS = "Findings: A solid mass of 3.2 cm in the left kidney. The right kidney is normal."
NORMAL = "Findings: Both kidneys are normal."


def row(number: int, **changes: object) -> dict[str, object]:
    return {
        "path": f"scans/{number}.nii.gz",
        "mask": f"masks/{number}.nii.gz",
        "patient_id": f"P{number}",
        "phase": "A",
        "split": "train",
        "report": NORMAL,
        "months": "12.5",
        "event": "1",
        **changes,
    }


def read(folder: Path, *rows: dict[str, object], **options: object) -> list[TrainingScan]:
    columns = list(dict.fromkeys(name for one in rows for name in one))
    write_csv(folder / "scans.csv", rows, columns)
    return read_training_scans(folder / "scans.csv", **{"extractor": None, "labels": {}} | options)


def test_read_training_scans__reads_what_a_row_says(tmp_path: Path) -> None:
    told = {("P1", "left"): SideLabels(malignant=1, attributes={"grade": 2})}
    one, two = read(tmp_path, row(1, report=MASS), row(2, months="", event=""), labels=told)
    assert one.path == tmp_path / "scans/1.nii.gz"
    assert (one.phase, one.split, one.months, one.event) == ("A", "train", 12.5, 1)
    assert "3.2 cm" in one.sides["left"].text
    assert one.labels == {"left": told["P1", "left"]}
    assert one.fault is two.fault is None
    assert math.isnan(two.months)
    assert two.event == -1
    assert one.patient != two.patient
    assert "P1" not in one.patient


def test_read_training_scans__hashes_patients_with_a_salt(tmp_path: Path) -> None:
    plain, again = (read(tmp_path, row(1))[0].patient for _ in range(2))
    assert plain == again != read(tmp_path, row(1), salt="secret")[0].patient


def test_read_training_scans__knows_phases_by_letter_and_word(tmp_path: Path) -> None:
    words = ("V", "Arterial", "non-contrast", "", "P2")
    scans = read(tmp_path, *(row(number, phase=word) for number, word in enumerate(words)))
    assert [scan.phase for scan in scans] == ["V", "A", "N", "", "P2"]
    assert [scan.fault for scan in scans] == [None] * 5


def test_phase_letter__has_one_for_each_word_of_headers() -> None:
    assert [phase_letter(name) for name, _ in _PHASES] == ["N", "A", "V", "D"]


def test_read_training_scans__puts_sections_together(tmp_path: Path) -> None:
    sections = {
        "findings": "1. A cyst of 12 mm in the left kidney",
        "impression": "Left renal cyst",
    }
    (scan,) = read(tmp_path, row(1, report="", **sections))
    assert scan.sides["left"].text == (
        "Findings: A cyst of 12 mm in the left kidney.\nImpression: Left renal cyst."
    )


def test_read_training_scans__takes_a_row_of_one_side(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, row(1, report=MASS, side="left", malignant="1"))
    assert list(scan.sides) == ["left"]
    assert scan.labels["left"].malignant == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"months": "0"}, "MV1727"),
        ({"months": "-3"}, "MV1727"),
        ({"months": "nan"}, "MV1727"),
        ({"months": "1e9"}, "MV1727"),
        ({"months": "long"}, "MV1727"),
        ({"event": "2"}, "MV1727"),
        ({"event": ""}, "MV1727"),
        ({"months": ""}, "MV1727"),
        ({"split": "all"}, "MV1727"),
        ({"patient_id": ""}, "MV1727"),
        ({"mask": ""}, "MV1727"),
        ({"side": "middle"}, "MV1727"),
        ({"phase": "arterial phase"}, "MV1727"),
        ({"malignant": "1"}, "MV1727"),
        ({"side": "right", "report": "A cyst in the left kidney."}, "MV2303"),
        ({"report": "123"}, "MV2300"),
        ({"report": "x " * 30_000}, "MV2302"),
    ],
)
def test_read_training_scans__lets_a_bad_row_fail_alone(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    bad, good = read(tmp_path, row(1, **changes), row(2))
    assert bad.fault is not None
    assert bad.fault.code == code
    assert good.fault is None


def test_read_training_scans__lets_phases_share_a_report_and_patients_not(tmp_path: Path) -> None:
    phases = [row(1, report=MASS), row(2, patient_id="P1", phase="V", report=MASS)]
    assert [scan.fault for scan in read(tmp_path, *phases)] == [None, None]
    patients = [
        row(1, report=MASS),
        row(2, report=f"  {MASS.upper()}".replace("FINDINGS", "Findings")),
    ]
    faults = [scan.fault for scan in read(tmp_path, *patients, row(3))]
    assert [fault.code if fault else "" for fault in faults] == ["MV1728", "MV1728", ""]
    normal = read(tmp_path, row(1), row(2))
    assert [scan.fault for scan in normal] == [None, None]


def test_read_training_scans__refuses_a_patient_in_two_splits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="MV1726"):
        read(tmp_path, row(1), row(2, patient_id="P1", split="test"))


@pytest.mark.parametrize("column", ["path", "mask", "patient_id", "split"])
def test_read_training_scans__names_a_missing_column(tmp_path: Path, column: str) -> None:
    rows = [{name: value for name, value in row(1).items() if name != column}]
    with pytest.raises(ConfigError, match=column):
        read(tmp_path, *rows)


CLASSES = {"grade": ("low", "high")}


def labels(folder: Path, *rows: dict[str, object]) -> dict:
    write_csv(folder / "labels.csv", rows, ["patient_id", "side", "malignant", "grade"])
    return read_side_labels(folder / "labels.csv", CLASSES)


def test_read_side_labels__gives_classes_by_patient_and_side(tmp_path: Path) -> None:
    found = labels(
        tmp_path,
        {"patient_id": "a", "side": "left", "malignant": 1, "grade": "high"},
        {"patient_id": "a", "side": "right"},
    )
    assert found == {
        ("a", "left"): SideLabels(malignant=1, attributes={"grade": 1}),
        ("a", "right"): SideLabels(malignant=-1, attributes={"grade": -1}),
    }


@pytest.mark.parametrize(
    "second",
    [
        {"patient_id": "a", "side": "left"},
        {"patient_id": "a", "side": ""},
        {"patient_id": "a", "side": "right", "grade": "middle"},
        {"patient_id": "a", "side": "right", "malignant": "yes"},
    ],
)
def test_read_side_labels__refuses_other_values(tmp_path: Path, second: dict) -> None:
    with pytest.raises(DataError, match=r"MV1727.*line 3"):
        labels(tmp_path, {"patient_id": "a", "side": "left"}, second)


def test_read_side_labels__names_a_missing_column(tmp_path: Path) -> None:
    write_csv(tmp_path / "l.csv", [{"patient_id": "a", "side": "left"}], ["patient_id", "side"])
    with pytest.raises(ConfigError, match="grade"):
        read_side_labels(tmp_path / "l.csv", CLASSES)

"""Reports from tables and folders: the same text by every way, parted by patient, none twice."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.data.report_table import (
    Report,
    ReportSource,
    clean_reports,
    part_reports,
    read_reports,
)
from medvlp.errors import DataError
from medvlp.io import write_csv
from tests.data.report_files import phantom_rows, write_reports


def test_read_reports__gives_the_same_by_every_way(tmp_path):
    rows = phantom_rows(3)
    table = write_reports(tmp_path / "reports.csv", 3)
    by_csv = read_reports(ReportSource(file=table))
    assert [(r.text, r.group) for r in by_csv] == [(r["report"], r["patient_id"]) for r in rows]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "reports.parquet")
    assert read_reports(ReportSource(file=tmp_path / "reports.parquet")) == by_csv
    apart = ReportSource(file=table, findings="findings", impression="impression")
    assert clean_reports(read_reports(apart))[0] == clean_reports(by_csv)[0]
    for number, row in enumerate(rows):
        folder = tmp_path / "texts" / row["patient_id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(row["report"])
    assert read_reports(ReportSource(file=tmp_path / "texts")) == by_csv


def test_read_reports__of_scan_pairs_takes_each_report_of_several_phases_once(tmp_path):
    rows = [
        {"patient": row["patient_id"], "report": row["report"], "split": "train", "phase": phase}
        for row in phantom_rows(5)
        for phase in "AV"
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "samples.parquet")
    found = read_reports(ReportSource(file=tmp_path))
    assert len(found) == 20
    kept, _ = clean_reports(found)
    assert len(kept) == len({(r.group, r.text) for r in kept})
    assert {(r.group, r.text) for r in kept} == {
        (r.group, r.text) for r in clean_reports(found[::2])[0]
    }


def test_clean_reports__leaves_out_what_is_none_and_says_why():
    texts = ["", "12 3.4", "Die Niere links ist gross und rechts sehr klein dabei", "Normal kidney"]
    kept, refused = clean_reports([Report(text) for text in texts])
    assert [report.text for report in kept] == ["Normal kidney."]
    assert refused == {"MV2300": 2, "MV2301": 1}
    with pytest.raises(DataError, match=r"MV1758: no report is left of 2: 2 by MV2300"):
        clean_reports([Report(""), Report("7")])


def test_clean_reports__by_side_speaks_of_one_kidney_each():
    text = "There is a stone in the left kidney. There is a cyst in the right kidney."
    kept, _ = clean_reports([Report(text, "p")], by_side=True)
    assert [report.text for report in kept] == [
        "There is a stone in the left kidney.",
        "There is a cyst in the right kidney.",
    ]


def test_part_reports__keeps_patients_together_whatever_else_there_is():
    reports = [Report(f"text {n} of {g}", f"g{g}") for g in range(200) for n in range(3)]
    parts = part_reports(reports, 0.2, seed=1)
    groups = [
        {text.split(" of ")[1] for text in part} for part in (parts.training, parts.validation)
    ]
    assert not groups[0] & groups[1]
    assert 20 < len(groups[1]) < 60
    fewer = part_reports(reports[:300], 0.2, seed=1)
    assert fewer.validation == tuple(t for t in parts.validation if t in fewer.validation)
    assert part_reports(reports, 0.2, seed=2).validation != parts.validation
    assert part_reports(reports, 0.0, seed=1).validation == ()


def test_part_reports__follows_the_splits_of_the_table_and_validates_no_text_trained_on():
    reports = [
        Report("normal.", "a", "train"),
        Report("mass.", "b", "validation"),
        Report("normal.", "b", "validation"),
        Report("secret.", "c", "test"),
    ]
    parts = part_reports(reports, 0.5, seed=0)
    assert parts.training == ("normal.",)
    assert parts.validation == ("mass.",)
    assert parts.seen == 1


@pytest.mark.parametrize("name", ["nothing.csv", "reports.xlsx", "empty", "broken.parquet"])
def test_read_reports__refuses_what_is_no_source(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "reports.xlsx").write_bytes(b"x")
    (tmp_path / "broken.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"MV1754: .* cannot be read as reports"):
        read_reports(ReportSource(file=tmp_path / name))


def test_read_reports__names_the_nearest_column(tmp_path):
    table = write_reports(tmp_path / "reports.csv", 1)
    with pytest.raises(DataError, match=r"MV1757: .* no column 'reports'.*did you mean 'report'"):
        read_reports(ReportSource(file=table, report="reports"))
    with pytest.raises(DataError, match=r"MV1757: .* no column 'pid'"):
        read_reports(ReportSource(file=table, patient="pid"))
    write_csv(tmp_path / "latin.csv", [{"report": "x"}], ["report"])
    assert read_reports(ReportSource(file=tmp_path / "latin.csv")) == [Report("x")]

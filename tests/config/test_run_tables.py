import csv
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.config.run_tables import (
    prediction_columns,
    read_case_rows,
    read_predictions,
    write_run_tables,
)
from medvlp.config.runs import CaseRow, FailureRow, PredictionRow
from medvlp.errors import MedvlpError

FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "'=1", "''=1"]


def row(case_id: str = "a.svs", **changes) -> PredictionRow:
    values = {
        "case_id": case_id,
        "model": "tiny",
        "task": "rcc",
        "modality": "slide",
        "status": "diagnosed",
        "prediction": "CCRCC",
        "confidence": 0.75,
        "n_units": 10,
        "n_used": 8,
        "n_failed": 2,
        "probabilities": {"CCRCC": 0.75, "PRCC": 0.25},
        "scores": {"top-10": -0.5},
    }
    return PredictionRow(**(values | changes))


def sample() -> list[PredictionRow]:
    return [
        row("a.svs"),
        row("a.svs", task="grade", probabilities={"low": 0.1, "PRCC": 0.9}, scores={}),
        row(
            "empty.svs",
            status="no-tissue",
            prediction=None,
            confidence=None,
            n_units=0,
            n_used=0,
            n_failed=0,
            probabilities={},
            scores={},
        ),
        row(
            "c.svs",
            interval_low=0.5,
            interval_high=0.875,
            node="DOID:4467",
            node_path=("cancer", 'renal, "cell"'),
            node_confidence=0.9375,
            prediction_set=("CCRCC", 'a "b", c'),
        ),
    ]


def test_prediction_columns__join_the_classes_of_all_tasks_in_order() -> None:
    assert prediction_columns(sample()) == [
        *("case_id", "model", "task", "modality", "status", "prediction"),
        *("findings", "confidence"),
        *("n_units", "n_used", "n_failed"),
        *("prob_CCRCC", "prob_PRCC", "prob_low", "score_top-10"),
        *("interval_low", "interval_high"),
        *("node", "node_path", "node_confidence", "prediction_set"),
    ]


def test_write_run_tables__leaves_cells_empty_where_nothing_applies(tmp_path: Path) -> None:
    write_run_tables(tmp_path, sample(), [], [])
    with (tmp_path / "predictions.csv").open(newline="") as file:
        first, second, empty, _ = csv.DictReader(file)
    assert (first["prob_CCRCC"], first["prob_low"], first["score_top-10"]) == ("0.75", "", "-0.5")
    assert (second["prob_CCRCC"], second["prob_low"]) == ("", "0.1")
    assert empty["status"] == "no-tissue"
    assert {empty[name] for name in ("prediction", "confidence", "prob_PRCC", "node")} == {""}
    assert empty["n_used"] == "0"


def test_write_run_tables__keeps_the_types_of_empty_columns(tmp_path: Path) -> None:
    write_run_tables(tmp_path, [row()], [], [])
    schema = pq.read_schema(tmp_path / "predictions.parquet")
    assert str(schema.field("interval_low").type) == "double"
    assert str(schema.field("node").type) == "string"
    assert str(schema.field("n_used").type) == "int64"


def test_write_run_tables__gives_equal_bytes_for_equal_rows(tmp_path: Path) -> None:
    failures = [FailureRow(case_id="x", stage="read", code="MV1206", reason="r", hint="h")]
    cases = [CaseRow(case_id="x", case_key="x", path="somewhere/x.svs")]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_run_tables(tmp_path / name, sample(), failures, cases)
    for file in ("predictions.csv", "predictions.parquet", "failures.csv", "cases.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 4


def test_write_run_tables__writes_headers_without_rows(tmp_path: Path) -> None:
    write_run_tables(tmp_path, [], [], [])
    assert (tmp_path / "failures.csv").read_text() == "case_id,stage,code,reason,hint\n"
    assert (tmp_path / "cases.csv").read_text() == "case_id,case_key,path\n"
    assert read_predictions(tmp_path) == []


def test_write_run_tables__refuses_two_answers_to_one_question(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two predictions for case"):
        write_run_tables(tmp_path, [row(), row()], [], [])
    assert not list(tmp_path.iterdir())


def test_write_run_tables__removes_the_rounding_of_32_bit_sums(tmp_path: Path) -> None:
    total = np.float32(1.0000001)
    write_run_tables(tmp_path, [row(confidence=total, probabilities={"A": total})], [], [])
    (back,) = read_predictions(tmp_path)
    assert (back.confidence, back.probabilities) == (1.0, {"A": 1.0})


@pytest.mark.parametrize("case_id", FORMULAS)
def test_csv__never_begins_a_cell_with_a_formula(tmp_path: Path, case_id: str) -> None:
    failure = FailureRow(case_id=case_id, stage="=s", code="MV1", reason="@r", hint="+h")
    write_run_tables(
        tmp_path,
        [row(case_id)],
        [failure],
        [CaseRow(case_id=case_id, case_key="k", path="=p")],
    )
    for name in ("predictions.csv", "failures.csv", "cases.csv"):
        with (tmp_path / name).open(newline="") as file:
            for cells in csv.DictReader(file):
                texts = [t for n, t in cells.items() if not n.startswith("score_")]
                assert not [text for text in texts if text[:1] in "=+-@\t\r" and text]


@pytest.mark.parametrize("case_id", FORMULAS)
def test_parquet__holds_texts_as_they_are(tmp_path: Path, case_id: str) -> None:
    write_run_tables(tmp_path, [row(case_id)], [], [])
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table["case_id"].to_pylist() == [case_id]


@pytest.mark.parametrize(
    ("case_id", "expected"),
    [("bad\udcff.svs", "bad\\udcff.svs"), ("a\rb\0.svs", "a\\rb\\0.svs"), ("a\nb", "a\nb")],
)
def test_tables__escape_what_readers_lose(tmp_path: Path, case_id: str, expected: str) -> None:
    write_run_tables(tmp_path, [row(case_id)], [], [])
    assert read_predictions(tmp_path)[0].case_id == expected
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table["case_id"].to_pylist() == [expected]


def test_read_predictions__restores_every_row(tmp_path: Path) -> None:
    write_run_tables(tmp_path, sample(), [], [])
    assert read_predictions(tmp_path) == sample()
    assert read_predictions(tmp_path / "predictions.csv") == sample()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
shares = st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(texts, st.dictionaries(texts.filter(lambda t: t == t.strip()), shares, max_size=4), shares)
def test_read_predictions__restores_any_text_and_number(
    tmp_path_factory, case_id, probabilities, confidence
) -> None:
    folder = tmp_path_factory.mktemp("run")
    expected = row(case_id, probabilities=probabilities, confidence=confidence)
    write_run_tables(folder, [expected], [], [])
    (actual,) = read_predictions(folder)
    assert actual.case_id == expected.case_id
    assert actual.probabilities == expected.probabilities
    assert math.isclose(actual.confidence, confidence, rel_tol=0, abs_tol=0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("0.75", "high"), "row 1: could not convert string to float: 'high'"),
        (("diagnosed", "sure"), "row 1: status 'sure' is none of diagnosed"),
        ((",slide,", ",film,"), "row 1: modality 'film' is none of slide"),
        (("n_used", "used"), "row 1: no column 'n_used'"),
        (("0.75", "nan"), "row 1: .*must lie in 0 to 1, got nan"),
    ],
)
def test_read_predictions__names_the_row_and_the_value(tmp_path: Path, edit, message) -> None:
    write_run_tables(tmp_path, [row(confidence=0.5)], [], [])
    path = tmp_path / "predictions.csv"
    path.write_text(path.read_text().replace(*edit))
    with pytest.raises(MedvlpError, match=message) as caught:
        read_predictions(path)
    assert caught.value.code == "MV1102"


def test_failures__name_no_local_file(tmp_path: Path) -> None:
    failure = FailureRow(
        case_id="p1",
        stage="open",
        code="MV1201",
        reason="/d/Smith.svs is cut",
        hint="copy Smith.svs",
    )
    write_run_tables(
        tmp_path, [], [failure], [CaseRow(case_id="p1", case_key="p1", path="/d/Smith.svs")]
    )
    with (tmp_path / "failures.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["reason"], line["hint"]) == ("p1 is cut", "copy p1")


def test_read_predictions__reads_tables_from_before_nodes_had_paths(tmp_path: Path) -> None:
    write_run_tables(tmp_path, [row("a.svs", node="DOID:4467")], [], [])
    path = tmp_path / "predictions.csv"
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    newer = {"node_path", "node_confidence", "findings"}
    names = [name for name in lines[0] if name not in newer]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    assert read_predictions(path) == [row("a.svs", node="DOID:4467")]


def test_write_run_tables__tells_no_finding_from_a_task_that_chooses_one_class(
    tmp_path: Path,
) -> None:
    shares = {"cyst; tumour": 0.75, "stone": 0.625}
    rows = [
        row("a", prediction="cyst; tumour", findings=("cyst; tumour",), probabilities=shares),
        row("b", prediction="none", findings=(), probabilities=shares),
        row("c"),
    ]
    write_run_tables(tmp_path, rows, [], [])
    assert read_predictions(tmp_path) == rows
    table = pq.read_table(tmp_path / "predictions.parquet").to_pydict()
    assert table["findings"] == ['["cyst; tumour"]', "[]", None]


def test_write_run_tables__tells_an_empty_path_from_none(tmp_path: Path) -> None:
    rows = [row("a.svs", node_path=(), node_confidence=1.0), row("b.svs")]
    write_run_tables(tmp_path, rows, [], [])
    assert [found.node_path for found in read_predictions(tmp_path)] == [(), None]


def test_read_case_rows__restores_every_text(tmp_path: Path) -> None:
    cases = [
        CaseRow(case_id="=1+1.svs", case_key="_1_1", path="/data/=1+1.svs"),
        CaseRow(case_id="'-a, b.svs", case_key="a_b", path="/data/x"),
    ]
    write_run_tables(tmp_path, [], [], cases)
    assert read_case_rows(tmp_path) == cases
    (tmp_path / "cases.csv").write_text("case_id,path\na,b\n")
    with pytest.raises(MedvlpError, match=r"MV1102: .*no column 'case_key'"):
        read_case_rows(tmp_path)

"""Items and tables that the pipelines share."""

from pathlib import Path

from medvlp.jobs.outcomes import JobReport, Outcome
from medvlp.pipelines.cases import failure_rows, items_of, missing_model, write_case_tables
from medvlp.pipelines.discover import Discovery
from medvlp.types import Case


def case(name: str, modality: str = "slide") -> Case:
    return Case(case_id=name, case_key=name, path=Path(f"/data/{name}"), modality=modality)


DISCOVERY = Discovery((case("a"), case("b", "ct")), ())
REPORT = JobReport(
    (
        Outcome("a", "a", "done", 1.0),
        Outcome("b", "b", "failed", 0.0, "choose model", "MV1109", "b is a ct", "pass a model"),
    )
)


def test_items_of__keeps_order_and_names() -> None:
    assert [(item.key, item.case_id) for item in items_of(DISCOVERY)] == [("a", "a"), ("b", "b")]


def test_missing_model__names_file_and_modality() -> None:
    assert str(missing_model(case("scan.nii", "ct"))).startswith("MV1109: scan.nii is a CT scan")


def test_failure_rows__tell_stage_code_reason_and_hint() -> None:
    (row,) = failure_rows(REPORT)
    assert (row.case_id, row.stage, row.code, row.hint) == (
        "b",
        "choose model",
        "MV1109",
        "pass a model",
    )


def test_write_case_tables__lists_cases_and_failures(tmp_path: Path) -> None:
    write_case_tables(tmp_path, DISCOVERY, REPORT)
    assert (tmp_path / "cases.csv").read_text().splitlines() == [
        "case_id,case_key,path",
        "a,a,/data/a",
        "b,b,/data/b",
    ]
    assert (tmp_path / "failures.csv").read_text().count("\n") == 2

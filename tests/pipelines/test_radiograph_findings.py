"""Labels are about findings of a book, each under one name."""

from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.knowledge.facets import load_finding_book
from medvlp.pipelines.radiograph_findings import plan_labels


def test_plan_labels__takes_all_of_the_book_where_reports_are_read() -> None:
    plan = plan_labels(None, {"Hydrothorax": "effusion"}, read_reports=True)
    assert plan.findings == load_finding_book().names
    assert plan.columns == {"pleural effusion": "effusion"}
    assert plan.labeller is not None
    assert plan.labeller.label("There is no pneumothorax.") == {"pneumothorax": 0}
    assert plan.schema_name == "chest-xray"
    assert plan.book_text == ""


def test_plan_labels__takes_columns_only_where_none_are_read() -> None:
    names = {"pneumothorax": "p", "left pleural effusion": "l", "cardiomegaly": "c"}
    plan = plan_labels(None, names, read_reports=False)
    assert plan.findings == ("pneumothorax", "cardiomegaly", "left pleural effusion")
    assert plan.labeller is None
    assert plan.schema_name == ""


def test_plan_labels__keeps_the_text_of_another_book(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("name: b\nfindings:\n  spot: {}\n")
    plan = plan_labels(tmp_path / "b.yaml", {"spot": "s"}, read_reports=False)
    assert plan.book_text.startswith("name: b")
    with pytest.raises(DataError, match=r"MV1796.*did you mean 'spot'"):
        plan_labels(tmp_path / "b.yaml", {"spots": "s"}, read_reports=False)


def test_plan_labels__refuses_two_names_of_one_finding() -> None:
    with pytest.raises(DataError, match=r"MV1795.*another name of 'pleural effusion'"):
        plan_labels(None, {"pleural effusion": "a", "hydrothorax": "b"}, read_reports=False)

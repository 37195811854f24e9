"""Cells become text, names hashes, and a missing column is told with the nearest one."""

from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.pipelines.manifest_cells import cell_text, check_table_columns, hashed_name, text_rows


def test_cell_text__takes_nothing_for_empty_and_strips_the_rest() -> None:
    rows = [{"a": None, "b": float("nan"), "c": " x ", "d": 1.5, "e": 0}]
    assert text_rows(rows) == [{"a": "", "b": "", "c": "x", "d": "1.5", "e": "0"}]
    assert cell_text("nan") == "nan"


def test_check_table_columns__names_the_nearest_column() -> None:
    rows = [{"path": "x"}, {"patient": "y"}]
    check_table_columns(Path("m.csv"), rows, ("path", "patient"))
    with pytest.raises(ConfigError, match=r"no column 'patient_id' \(did you mean 'patient'"):
        check_table_columns(Path("m.csv"), rows, ("path", "patient_id"))
    with pytest.raises(ConfigError, match=r"table m.csv has no column 'path'"):
        check_table_columns(Path("m.csv"), [], ("path",), "table")


def test_hashed_name__depends_on_the_salt_and_tells_no_name() -> None:
    assert len(hashed_name("Ann", "s")) == 16
    assert hashed_name("Ann", "s") == hashed_name("Ann", "s") != hashed_name("Ann", "t")
    assert hashed_name("\udce4", "") != hashed_name("a", "")

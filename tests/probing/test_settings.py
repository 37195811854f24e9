from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.probing.label_table import LabelTable
from medvlp.probing.settings import site_columns, split_column


def table(*columns):
    return LabelTable(Path("labels.csv"), columns, ({name: "1" for name in columns},))


def test_split_column__is_taken_where_it_is_there():
    assert split_column(table("case_id", "split"), None) == "split"
    assert split_column(table("case_id"), None) is None
    assert split_column(table("case_id", "part"), "part") == "part"
    with pytest.raises(DataError, match="MV2320"):
        split_column(table("case_id"), "part")


def test_site_columns__are_taken_where_they_are_there():
    assert site_columns(table("case_id", "scanner", "site"), None) == ("site", "scanner")
    assert site_columns(table("case_id"), None) == ()
    assert site_columns(table("case_id", "age"), ("age",)) == ("age",)
    with pytest.raises(DataError, match="MV2320"):
        site_columns(table("case_id"), ("site",))

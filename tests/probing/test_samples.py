import numpy as np
import pytest

from medvlp.errors import DataError
from medvlp.probing.feature_folder import read_feature_folder
from medvlp.probing.label_table import LabelTable
from medvlp.probing.samples import join_samples, tie_groups
from tests.probing.probe_samples import folder_of, write_scan


def table_of(tmp_path, *rows):
    return LabelTable(tmp_path / "labels.csv", tuple(rows[0]), rows)


def test_join_samples__keeps_the_order_of_the_table_and_counts_the_rest(tmp_path):
    folder = folder_of([[1.0], [2.0], [3.0]], ["a", "b", "c"])
    table = table_of(tmp_path, *({"case_id": name} for name in ("c", "a.svs", "zz")))
    found = join_samples(folder, table, None)
    assert found.features.tolist() == [[3], [1]]
    assert found.case_ids == ("c", "a.svs")
    assert found.notes == {
        "rows of the table without features": 1,
        "cases with features and without a row": 1,
    }


def test_join_samples__finds_the_box_of_a_side_and_the_mean_of_all(tmp_path):
    write_scan(tmp_path, "c1", [[1, 2], [3, 4]], ["kidney_left", "kidney_right"])
    write_scan(tmp_path, "c2", [[5, 6]], ["kidney_left"])
    folder = read_feature_folder(tmp_path)
    sides = [("c1", "R"), ("c1", "left"), ("c2", "kidney_left"), ("c2", "right")]
    table = table_of(tmp_path, *({"case_id": c, "side": s} for c, s in sides))
    found = join_samples(folder, table, None)
    assert found.features.tolist() == [[3, 4], [1, 2], [5, 6]]
    assert found.units == ("kidney_right", "kidney_left", "kidney_left")
    # Both sides of a scan stay together.
    assert found.groups[0] == found.groups[1] != found.groups[2]
    whole = join_samples(folder, table_of(tmp_path, {"case_id": "c1"}), None)
    assert whole.features.tolist() == [[2, 3]]


def test_join_samples__ties_cases_of_one_content_into_one_group(tmp_path):
    write_scan(tmp_path, "c1", [[1, 2]], ["kidney_left"], scan_sha256="5" * 64)
    write_scan(tmp_path, "c2", [[1, 2]], ["kidney_left"], scan_sha256="5" * 64)
    write_scan(tmp_path, "c3", [[7, 2]], ["kidney_left"])
    rows = [{"case_id": f"c{i}", "patient_id": f"p{i}"} for i in (1, 2, 3)]
    found = join_samples(read_feature_folder(tmp_path), table_of(tmp_path, *rows), None)
    assert found.groups.tolist() == ["p1", "p1", "p3"]
    assert found.group_column == "patient_id"
    assert 1 in found.notes.values()


def test_join_samples__refuses_a_table_of_other_cases(tmp_path):
    folder = folder_of([[1.0]], ["a"])
    with pytest.raises(DataError, match=r"MV2322.*none of its 1 rows.*'a'.*'b'"):
        join_samples(folder, table_of(tmp_path, {"case_id": "b"}), None)
    with pytest.raises(DataError, match=r"MV2320.*no column 'patients'"):
        join_samples(folder, table_of(tmp_path, {"case_id": "a", "patient": "p"}), "patients")


def test_tie_groups__follows_chains():
    # a-b share x, b-c share y: one group; d is alone.
    groups, gone = tie_groups(["a", "b", "b", "c", "d"], ["x", "x", "y", "y", "z"])
    assert groups.tolist() == ["a", "a", "a", "a", "d"]
    assert gone == 2


def test_select__keeps_rows_together(tmp_path):
    folder = folder_of([[1.0], [2.0]], ["a", "b"])
    table = table_of(tmp_path, {"case_id": "a", "n": "1"}, {"case_id": "b", "n": "2"})
    found = join_samples(folder, table, None).select([1], "why")
    assert (found.case_ids, found.column("n"), found.notes) == (("b",), ["2"], {"why": 1})
    assert np.array_equal(found.features, [[2]])

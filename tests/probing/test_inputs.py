import numpy as np
import pytest

from medvlp.errors import DataError
from medvlp.probing.inputs import probe_inputs
from medvlp.probing.label_table import LabelTable
from medvlp.probing.samples import ProbeSamples, join_samples
from tests.probing.probe_samples import folder_of, write_rows


def samples_of(tmp_path) -> ProbeSamples:
    rows = tuple({"case_id": name} for name in "abc")
    table = LabelTable(tmp_path / "labels.csv", ("case_id",), rows)
    return join_samples(folder_of([[1.0, 2], [3, 4], [5, 6]], "abc"), table, None)


def test_probe_inputs__puts_radiomics_beside_the_embedding_of_the_same_samples(tmp_path):
    rows = [
        {"case_id": "c", "volume": "9", "sphericity": ""},
        {"case_id": "a", "volume": "7", "sphericity": "0.5"},
    ]
    table = write_rows(tmp_path / "radiomics.csv", rows)
    kept, inputs, record = probe_inputs(samples_of(tmp_path), table)
    assert kept.case_ids == ("a", "c")
    assert [given.name for given in inputs] == ["embedding", "radiomics", "fusion"]
    np.testing.assert_equal(inputs[1].features, [[7, 0.5], [9, np.nan]])
    np.testing.assert_equal(inputs[2].features, [[1, 2, 7, 0.5], [5, 6, 9, np.nan]])
    assert [given.blocks for given in inputs] == [(2,), (2,), (2, 2)]
    assert record == {"num_features": 2, "missing_share": 0.25}
    assert list(kept.notes.values()) == [1]


@pytest.mark.parametrize("name", ["kidney_left", "left", "L"])
def test_probe_inputs__finds_the_row_of_a_box(tmp_path, name):
    samples = samples_of(tmp_path)
    samples = ProbeSamples(**{**vars(samples), "units": ("kidney_left", "", "kidney_right")})
    rows = [{"case_id": "a", "unit": name, "volume": "7"}]
    kept, inputs, _ = probe_inputs(samples, write_rows(tmp_path / "r.csv", rows))
    assert kept.case_ids == ("a",)
    assert inputs[1].features.tolist() == [[7]]


def test_probe_inputs__without_a_table_is_the_embedding(tmp_path):
    samples = samples_of(tmp_path)
    kept, inputs, record = probe_inputs(samples, None)
    assert kept is samples
    assert [given.name for given in inputs] == ["embedding"]
    assert record == {}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"case_id": "a", "volume": "big"}, "volume 'big', which is no number"),
        ({"case_id": "a", "volume": "inf"}, "volume 'inf'"),
        ({"case_id": "zz", "volume": "1"}, "none of its 1 rows belongs"),
        ({"case_id": "a"}, "no column of numbers"),
    ],
)
def test_probe_inputs__refuses_a_table_that_does_not_fit(tmp_path, row, words):
    with pytest.raises(DataError, match=words) as caught:
        probe_inputs(samples_of(tmp_path), write_rows(tmp_path / "r.csv", [row]))
    assert caught.value.code == "MV1777"

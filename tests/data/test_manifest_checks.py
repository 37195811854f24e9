import pytest

from medvlp.data.manifest import PAIRS_SCHEMA, make_pairs_table
from medvlp.data.manifest_checks import check_columns
from medvlp.errors import DataError
from tests.data.pair_rows import ROWS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_id": " "}, "MV1773: the rows: row 2: sample_id is ' '; expected a name"),
        ({"sample_id": None}, "MV1773: the rows: row 2: sample_id is None; expected a value"),
        ({"shard": "../other.tar"}, "row 2: shard is '../other.tar'; expected the name of a file"),
        ({"shard": "a\\b.tar"}, "row 2: shard is 'a"),
        ({"shard": ".."}, "row 2: shard is '..'"),
        ({"offset": -1}, "row 2: offset is -1; expected a byte offset >= 0"),
        ({"size": 0}, "row 2: size is 0; expected a number of bytes >= 1"),
        ({"modality": "mri"}, "row 2: modality is 'mri'; expected ('slide', 'ct', 'radiograph')"),
        ({"split": "val"}, "row 2: split is 'val'; expected ('train', 'validation', 'test')"),
        ({"captions": []}, "row 2: captions is []; expected one caption at least"),
        ({"captions": ["a", ""]}, "row 2: captions is ['a', '']; expected no empty text"),
        ({"captions": [None]}, "row 2: captions is [None]; expected no empty text"),
        ({"concept_ids": None}, "row 2: concept_ids is None; expected a value"),
        ({"sample_id": "tile_000"}, "MV1774: the rows: sample_id 'tile_000' stands in rows [0, 2]"),
        ({"size": "large"}, "MV1772: the rows do not have the types of the manifest"),
    ],
)
def test_check_values__refuses_what_no_pair_can_have(changes, message):
    with pytest.raises(DataError) as caught:
        make_pairs_table([*ROWS[:2], {**ROWS[2], **changes}, *ROWS[3:]])
    assert message in str(caught.value)


def test_check_columns__lists_all_that_are_missing():
    found = set(PAIRS_SCHEMA.names) - {"split", "licence"}
    with pytest.raises(DataError, match="MV1771: x: column 'split' is missing") as caught:
        check_columns("x", found, PAIRS_SCHEMA)
    assert caught.value.hint == "add split, licence"


def test_check_columns__allows_further_ones():
    check_columns("x", {*PAIRS_SCHEMA.names, "note"}, PAIRS_SCHEMA)

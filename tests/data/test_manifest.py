import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.data.manifest import (
    PAIRS_SCHEMA,
    make_pairs_table,
    read_pairs_table,
    write_pairs_table,
)
from medvlp.errors import DataError
from tests.data.pair_rows import ROWS


def write_parquet(path, rows, **columns):
    """Write a file without any check, with some columns replaced or, where None, left out."""
    table = pa.Table.from_pylist(rows, schema=PAIRS_SCHEMA)
    for name, column in columns.items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if column is not None:
            table = table.add_column(place, name, column)
    pq.write_table(table, path)
    return path


def test_pairs_table__comes_back_from_the_file_unchanged(tmp_path):
    pairs = make_pairs_table(ROWS)
    write_pairs_table(tmp_path / "pairs.parquet", pairs)
    back = read_pairs_table(tmp_path / "pairs.parquet")
    assert [back.row(index) for index in range(len(back))] == ROWS
    assert back.content_hash() == pairs.content_hash()


def test_write_pairs_table__gives_the_same_bytes_for_the_same_pairs(tmp_path):
    for name in ("a", "b"):
        write_pairs_table(tmp_path / name, make_pairs_table([dict(r) for r in ROWS]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_read_pairs_table__takes_other_encodings_of_text_and_widths_of_integers(tmp_path):
    path = write_parquet(
        tmp_path / "p.parquet",
        ROWS,
        sample_id=pa.array([r["sample_id"] for r in ROWS], pa.large_string()),
        split=pa.array([r["split"] for r in ROWS]).dictionary_encode(),
        size=pa.array([r["size"] for r in ROWS], pa.int32()),
    )
    back = read_pairs_table(path)
    assert back.table.schema.equals(PAIRS_SCHEMA)
    assert back.content_hash() == make_pairs_table(ROWS).content_hash()


def test_read_pairs_table__does_not_read_further_columns(tmp_path):
    table = pa.Table.from_pylist(ROWS, schema=PAIRS_SCHEMA)
    pq.write_table(table.append_column("note", pa.array(["x"] * 6)), tmp_path / "p.parquet")
    assert read_pairs_table(tmp_path / "p.parquet").table.column_names == PAIRS_SCHEMA.names


def test_pairs_table__gives_columns_splits_and_concepts():
    pairs = make_pairs_table(ROWS)
    assert pairs.integers("group_id").tolist() == [0, 0, 1, 1, 2, 2]
    assert pairs.integers("group_id").dtype == np.int64
    test = pairs.of_split("test")
    assert [test.row(i)["sample_id"] for i in range(len(test))] == ["tile_004", "tile_005"]
    starts, concepts = test.concept_lists(["DOID:5", "DOID:1", "DOID:4"])
    assert starts.tolist() == [0, 2, 4]
    assert concepts.tolist() == [1, 2, 1, 0]
    assert len(pairs.of_split("validation")) == 0


@pytest.mark.parametrize("name", PAIRS_SCHEMA.names)
def test_content_hash__differs_for_every_column(name):
    changed = {
        "offset": 7,
        "size": 7,
        "group_id": 7,
        "modality": "ct",
        "split": "validation",
        "concept_ids": ["DOID:1D", "OID:1"],
        "captions": ["tumour 1größ", "er Tumor"],
    }
    rows = [ROWS[0], {**ROWS[1], name: changed.get(name, "other")}, *ROWS[2:]]
    assert make_pairs_table(rows).content_hash() != make_pairs_table(ROWS).content_hash()


def test_content_hash__is_that_of_the_values_in_a_part_of_a_table():
    pairs = make_pairs_table(ROWS)
    part = type(pairs)(pairs.table.slice(2, 3))
    assert part.content_hash() == make_pairs_table(ROWS[2:5]).content_hash()


def test_read_pairs_table__names_the_missing_column_and_the_nearest(tmp_path):
    table = pa.Table.from_pylist(ROWS, schema=PAIRS_SCHEMA)
    names = ["caption" if name == "captions" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"MV1771: .*'captions' is missing \(did you mean 'capti"):
        read_pairs_table(tmp_path / "p.parquet")


def test_read_pairs_table__refuses_another_type(tmp_path):
    path = write_parquet(tmp_path / "p.parquet", ROWS, group_id=pa.array([0.5] * 6))
    with pytest.raises(DataError, match=r"MV1772: .*'group_id' has type double; expected int64"):
        read_pairs_table(path)


def test_read_pairs_table__refuses_one_caption_that_is_no_list(tmp_path):
    path = write_parquet(tmp_path / "p.parquet", ROWS, captions=pa.array(["a"] * 6))
    with pytest.raises(DataError, match=r"MV1772: .*'captions' has type string; expected list"):
        read_pairs_table(path)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no parquet PAR1"])
def test_read_pairs_table__refuses_what_is_no_parquet_file(tmp_path, content):
    path = tmp_path / "p.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"MV1770: .* cannot be read as a manifest of pairs"):
        read_pairs_table(path)


def test_concept_lists__names_concepts_that_are_not_in_the_graph():
    with pytest.raises(DataError, match=r"MV1775: 2 concepts are not .* \['DOID:4', 'DOID:5'\]"):
        make_pairs_table(ROWS).concept_lists(["DOID:1", "DOID:2"])

import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.store import read_graph, write_graph
from tests.knowledge.example_graphs import SOURCE, tumour_graph

KEY = b"medvlp.knowledge"


def test_read_graph__gives_back_what_was_written(tmp_path):
    graph = tumour_graph()
    assert write_graph(graph, tmp_path / "g.parquet") == tmp_path / "g.parquet"
    read = read_graph(tmp_path / "g.parquet")
    assert list(read) == list(graph)
    assert read.sources == (SOURCE,)
    assert read.content_sha256 == graph.content_sha256
    assert read.find("adenocarcinoma of the lung") == ()
    assert read.find("Adenocarcinoma of lung") == ("X:6",)
    assert read.ancestors("X:8") == {"X:1", "X:2", "X:5"}


def test_write_graph__takes_a_folder_and_writes_the_same_bytes_twice(tmp_path):
    first = write_graph(tumour_graph(), tmp_path / "a")
    second = write_graph(read_graph(tmp_path / "a"), tmp_path / "b")
    assert first == tmp_path / "a" / "graph.parquet"
    assert first.read_bytes() == second.read_bytes()


def test_read_graph__reads_an_empty_graph(tmp_path):
    write_graph(KnowledgeGraph([]), tmp_path)
    assert len(read_graph(tmp_path)) == 0


def test_read_graph__says_how_to_build_a_missing_one(tmp_path):
    with pytest.raises(KnowledgeError, match=r"MV2000.*medvlp knowledge build"):
        read_graph(tmp_path / "none.parquet")


def rewrite(path, change=lambda table: table, change_record=lambda record: None):
    table = pq.read_table(path)
    record = json.loads(table.schema.metadata[KEY])
    change_record(record)
    table = change(table).replace_schema_metadata({KEY: json.dumps(record)})
    pq.write_table(table, path)


def rename_a_disease(table):
    names = table.column("name").to_pylist()
    names[3] = "something else"
    return table.set_column(1, "name", pa.array(names))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"change": rename_a_disease}, "its terms hash to"),
        ({"change": lambda t: t.drop_columns(["xrefs"])}, "no column 'xrefs'"),
        ({"change": lambda t: t.slice(1)}, "its terms hash to"),
        ({"change_record": lambda r: r.update(format=99)}, "its format is 99"),
        (
            {"change_record": lambda r: r["sources"][0].update(holds_umls=True)},
            "record of its sources was changed",
        ),
        ({"change_record": lambda r: r.pop("sources")}, "record of its sources is unreadable"),
    ],
)
def test_read_graph__refuses_what_was_changed(tmp_path, how, why):
    path = write_graph(tumour_graph(), tmp_path / "g.parquet")
    rewrite(path)
    read_graph(path)
    rewrite(path, **how)
    with pytest.raises(KnowledgeError, match=f"MV2008.*{why}"):
        read_graph(path)


def test_read_graph__refuses_what_is_no_graph(tmp_path):
    text = tmp_path / "a.parquet"
    text.write_text("not parquet")
    other = tmp_path / "b.parquet"
    pq.write_table(pa.table({"id": ["X:1"]}), other)
    with pytest.raises(KnowledgeError, match="MV2008"):
        read_graph(text)
    with pytest.raises(KnowledgeError, match=r"MV2008.*not one of a knowledge graph"):
        read_graph(other)


def test_store__keeps_the_whole_disease_ontology_and_reads_it_quickly(tmp_path, disease_ontology):
    write_graph(disease_ontology, tmp_path)
    begin = time.process_time()
    graph = read_graph(tmp_path)
    assert time.process_time() - begin < 0.3
    assert list(graph) == list(disease_ontology)

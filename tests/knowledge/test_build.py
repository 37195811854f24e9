import json
import time

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.build import build_graph


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(id_, name, *parents, **more):
    return {"id": id_, "name": name, "parents": list(parents), **more}


def test_build_graph__drops_obsolete_terms_and_resolves_what_replaced_them(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        row("X:1", "disease"),
        row("X:2", "old", obsolete=True, replaced_by=["X:3"]),
        row("X:3", "newer", obsolete=True, replaced_by=["X:4"], alternative_ids=["X:33"]),
        row("X:4", "newest", "X:1"),
        row("X:5", "child", "X:2"),
        row("X:6", "gone", obsolete=True),
        row("X:7", "a", obsolete=True, replaced_by=["X:8"]),
        row("X:8", "b", obsolete=True, replaced_by=["X:7"]),
        row("X:9", "split", obsolete=True, replaced_by=["X:1", "X:4"]),
    )
    graph, report = build_graph([path])
    assert graph.ids == ("X:1", "X:4", "X:5")
    assert {graph[id_].id for id_ in ("X:2", "X:3", "X:33")} == {"X:4"}
    assert graph["X:5"].parents == ("X:4",)
    assert "X:9" not in graph
    counts = report.sources[0]
    assert (counts.terms, counts.obsolete, counts.resolved) == (9, 6, 2)
    assert (report.terms, report.is_a, report.roots, report.depth) == (3, 2, ("X:1",), 2)


def test_build_graph__follows_a_replacement_to_an_alternative_id(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        row("X:1", "disease", alternative_ids=["X:11"]),
        row("X:2", "old", obsolete=True, replaced_by=["X:11"]),
    )
    graph, report = build_graph([path])
    assert graph["X:2"].id == "X:1"
    assert report.sources[0].resolved == 1


def test_build_graph__gives_the_same_hash_in_any_order_of_terms(tmp_path):
    first = [
        row("X:1", "disease", xrefs=["UMLS_CUI:C1", "UMLS_CUI:C2"]),
        row("X:3", "old", obsolete=True, replaced_by=["X:1"]),
        row("X:2", "older", obsolete=True, replaced_by=["X:1"]),
    ]
    second = [row("UMLS_CUI:C2", "b"), row("UMLS_CUI:C1", "c"), row("Y:3", "d")]
    hashes = set()
    for step in (1, -1):
        paths = [
            write(tmp_path / "a.jsonl", *first[::step]),
            write(tmp_path / "b.jsonl", *second[::step]),
        ]
        hashes.add(build_graph(paths)[0].content_sha256)
    assert len(hashes) == 1


def test_build_graph__names_file_and_line_of_circles_duplicates_and_dangling_parents(tmp_path):
    circle = write(
        tmp_path / "c.jsonl", row("X:1", "r"), row("X:2", "a", "X:3"), row("X:3", "b", "X:2")
    )
    with pytest.raises(KnowledgeError, match=r"MV2003: c.jsonl line 2: .*X:2 is_a X:3 is_a X:2"):
        build_graph([circle])
    twice = write(tmp_path / "d.jsonl", row("X:1", "r"), row("X:2", "a"), row("X:1", "b"))
    with pytest.raises(KnowledgeError, match=r"MV2004: d.jsonl line 1 and d.jsonl line 3: X:1"):
        build_graph([twice])
    loose = write(tmp_path / "e.jsonl", row("X:1", "r"), row("X:2", "a", "X:1", "X:11"))
    with pytest.raises(KnowledgeError, match=r"MV2005: e.jsonl line 2: X:2 has the parent 'X:11'"):
        build_graph([loose])
    graph, report = build_graph([loose], drop_dangling=True)
    assert graph["X:2"].parents == ("X:1",)
    assert report.sources[0].dropped_parents == 1


def test_build_graph__refuses_parents_that_are_obsolete_for_good(tmp_path):
    path = write(tmp_path / "a.jsonl", row("X:1", "r", obsolete=True), row("X:2", "a", "X:1"))
    with pytest.raises(KnowledgeError, match=r"MV2005: a.jsonl line 2"):
        build_graph([path])
    only_old = write(tmp_path / "b.jsonl", row("X:1", "r", obsolete=True))
    with pytest.raises(KnowledgeError, match="MV2010"):
        build_graph([only_old])


def test_build_graph__hangs_a_users_own_terms_below_those_of_another_source(tmp_path):
    first = write(tmp_path / "a.jsonl", row("X:1", "disease", alternative_ids=["X:10"]))
    own = write(tmp_path / "own.jsonl", row("MINE:1", "my lesion", "X:10"))
    graph, report = build_graph([first, own])
    assert graph.parents("MINE:1") == graph["MINE:1"].parents == ("X:1",)
    assert (report.merges[0].source, report.merges[0].added) == ("own.jsonl", 1)
    assert [source.name for source in graph.sources] == ["a.jsonl", "own.jsonl"]


def test_build_graph__gives_plain_data_for_programs(tmp_path):
    _, report = build_graph([write(tmp_path / "a.jsonl", row("X:1", "disease"))])
    record = json.loads(json.dumps(report.to_plain()))
    assert record["sources"][0]["terms"] == record["terms"] == 1
    with pytest.raises(ValueError, match="at least one source"):
        build_graph([])


def test_build_graph__of_the_disease_ontology_has_the_known_counts(real_data):
    begin = time.process_time()
    graph, report = build_graph([real_data / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl"])
    assert time.process_time() - begin < 5
    assert (report.terms, report.is_a, report.synonyms) == (12_247, 12_296, 15_330)
    assert (report.definitions, report.xrefs) == (9_962, 39_264)
    assert (report.with_several_parents, report.roots, report.depth) == (49, ("DOID:4",), 13)
    assert graph[graph.find("lung adenocarcinoma")[0]].id == "DOID:3910"


def test_build_graph__of_the_ontology_of_2016_has_the_known_counts(real_data):
    begin = time.process_time()
    graph, report = build_graph([real_data / "knowledge/doid_2016-09-01_full.obo"])
    assert time.process_time() - begin < 5
    read = report.sources[0]
    assert (read.terms, read.obsolete, len(graph)) == (9_344, 2_373, 6_971)
    assert (read.is_a, read.synonyms) == (8_155, 15_269)
    assert (read.definitions, read.xrefs) == (3_309, 36_891)
    assert (report.roots, report.depth) == (("DOID:4",), 13)


@pytest.mark.slow
def test_build_graph__merges_tumour_types_into_the_disease_ontology(real_data):
    folder = real_data / "knowledge"
    graph, report = build_graph(
        [
            folder / "do_2026-07-31/doid_rebuilt_full.jsonl",
            folder / "oncotree_2025_10_03.json",
            folder / "do_2026-07-31/NCIthesaurus.obo",
        ]
    )
    tree, slim = report.merges
    assert (slim.same_id, slim.added, len(slim.conflicts)) == (4_750, 0, 0)
    assert tree.by_reference + tree.added == 898
    assert tree.by_reference == 400
    assert graph["ONCOTREE:LUAD"].id == "DOID:3910"
    assert report.roots == ("DOID:4", "ONCOTREE:TISSUE")
    ambiguous = {conflict.id for conflict in tree.conflicts}
    assert "ONCOTREE:SRCCR" in ambiguous
    assert len(graph) == 12_247 + tree.added

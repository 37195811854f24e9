import json

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import Definition, KnowledgeGraph, Synonym
from medvlp.knowledge.parsers.jsonl import read_jsonl

LUNG = {
    "id": "DOID:2",
    "name": "lung cancer",
    "definition": "A cancer of the lung.",
    "synonyms": [["lung malignancy", "EXACT"], ["cancer", "BROAD"]],
    "parents": ["DOID:1"],
    "xrefs": ["NCI:C1"],
}


def write(path, *lines):
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n")
    return path


def test_read_jsonl__reads_all_of_a_term(tmp_path):
    source = read_jsonl(write(tmp_path / "a.jsonl", {"id": "DOID:1", "name": "cancer"}, "", LUNG))
    assert [term.id for term in source.terms] == ["DOID:1", "DOID:2"]
    lung = source.terms[1]
    assert lung.synonyms == (Synonym("lung malignancy", "EXACT"), Synonym("cancer", "BROAD"))
    assert lung.definitions == (Definition("A cancer of the lung.", "DO"),)
    assert (lung.parents, lung.xrefs) == (("DOID:1",), ("NCI:C1",))
    assert source.lines == (1, 3)
    assert (source.record.name, source.record.holds_umls) == ("a.jsonl", False)


def test_read_jsonl__takes_a_users_own_short_terms(tmp_path):
    path = write(
        tmp_path / "mine.jsonl",
        {"id": "MINE:1", "name": "red cell", "synonyms": ["erythrocyte"], "definition": "A cell."},
    )
    (term,) = read_jsonl(path).terms
    assert term.synonyms == (Synonym("erythrocyte", "EXACT"),)
    assert term.definitions == (Definition("A cell.", "mine"),)


def test_read_jsonl__puts_words_on_one_line(tmp_path):
    line = {"id": "X:1", "name": " red\n cell", "definition": " ", "synonyms": ["a\t b"]}
    (term,) = read_jsonl(write(tmp_path / "a.jsonl", line)).terms
    assert (term.name, term.synonyms[0].text, term.definitions) == ("red cell", "a b", ())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": "X:1", "name": "a",}', "is not JSON"),
        ('["X:1"]', "the line="),
        ('{"id": "X:1"}', "name="),
        ('{"id": "X 1", "name": "a"}', "id='X 1'"),
        ('{"id": "X:1", "name": " "}', "name=' '"),
        ('{"id": "X:1", "name": "a", "synonyms": [["b", "SAME"]]}', "'SAME'"),
        ('{"id": "X:1", "name": "a", "parent": ["X:2"]}', "parent="),
        ('{"id": "X:1", "name": "a", "parents": "X:2"}', "parents='X:2'"),
        ('{"id": "X:1", "name": ' + "[" * 100_000, "is not JSON"),
    ],
)
def test_read_jsonl__names_the_line_of_a_fault(tmp_path, line, why):
    path = write(tmp_path / "a.jsonl", {"id": "DOID:1", "name": "cancer"}, line)
    with pytest.raises(KnowledgeError) as caught:
        read_jsonl(path)
    assert caught.value.code == "MV2002"
    assert f"{path} line 2: " in caught.value.what
    assert why in caught.value.what


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b'{"id": "X:1", "name": "a"}\n{"id": "X:2", "name": "\xff"}', "0xff in line 2"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
    ],
)
def test_read_jsonl__refuses_what_is_no_text(tmp_path, content, why):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(KnowledgeError, match=f"MV2006.*{why}"):
        read_jsonl(path)


def test_read_jsonl__refuses_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(KnowledgeError, match=r"MV2006.*cannot be read"):
            read_jsonl(path)


def test_read_jsonl__reads_the_whole_disease_ontology(real_data):
    source = read_jsonl(real_data / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl")
    graph = KnowledgeGraph(source.terms, [source.record])
    terms = list(graph)
    assert len(terms) == 12_247
    assert sum(len(term.parents) for term in terms) == 12_296
    assert sum(len(term.synonyms) for term in terms) == 15_330
    assert sum(len(term.definitions) for term in terms) == 9_962
    assert sum(len(term.xrefs) for term in terms) == 39_264
    assert sum(len(term.parents) > 1 for term in terms) == 49
    assert graph.roots == ("DOID:4",)
    assert graph.levels.max() == 13

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.parsers.sniff import read_source, sniff_source


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("format-version: 1.2\n\n[Term]\nid: X:1\nname: a\n", "obo"),
        ('{"id": "X:1", "name": "a"}\n{"id": "X:2", "name": "b"}\n', "jsonl"),
        ('{"id": "X:1", "name": "a"\n', "jsonl"),
        ('{"id": ' + "[" * 100_000, "jsonl"),
        ('{"A": {"name": "a", "externalReferences": {}, "children": {}}}', "oncotree"),
        ('{\n "DOID:1": {"name": "a"}\n}', "keep"),
        ('{"DOID:1": {"name": "a"}}', "keep"),
    ],
)
def test_sniff_source__tells_formats_by_their_content(tmp_path, text, kind):
    assert sniff_source(write(tmp_path / "file", text)) == kind


def test_sniff_source__tells_a_folder_of_the_umls(tmp_path):
    (tmp_path / "MRCONSO.RRF").write_text("")
    assert sniff_source(tmp_path) == "umls"


def test_sniff_source__refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(KnowledgeError, match=r"MV2006.*begins with 'a,b'"):
        sniff_source(write(tmp_path / "a.csv", "a,b\n1,2\n"))
    with pytest.raises(KnowledgeError, match=r"MV2006.*folder without MRCONSO"):
        sniff_source(tmp_path)


def test_read_source__takes_a_stated_kind(tmp_path):
    path = write(tmp_path / "a", '{"id": "X:1", "name": "a"}\n')
    assert read_source(path).terms == read_source(path, "jsonl").terms
    with pytest.raises(KnowledgeError, match="MV2002"):
        read_source(path, "keep")
    with pytest.raises(KnowledgeError, match=r"MV2006.*'jsonlines' of ontology is unknown"):
        read_source(path, "jsonlines")


def test_sniff_source__knows_all_real_ontologies(real_data):
    folder = real_data / "knowledge"
    assert sniff_source(folder / "doid_2016-09-01_full.obo") == "obo"
    assert sniff_source(folder / "oncotree_2025_10_03.json") == "oncotree"
    assert sniff_source(folder / "do_2026-07-31/doid_rebuilt_full.jsonl") == "jsonl"

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import Definition, KnowledgeGraph, Synonym
from medvlp.knowledge.parsers.obo import read_obo

HEADER = """format-version: 1.2
data-version: releases/2020-01-01
remark: This work is licensed under CC0.
ontology: doid

"""
TERMS = """[Term]
id: DOID:4
name: disease

! a comment

[Term]
id: DOID:162
name: cancer
alt_id: DOID:99
def: "A \\"bad\\" disease." [url:http\\://a.b/c, PMID:1]
synonym: "malignant tumor" EXACT []
synonym: "neoplasm" BROAD MEDICAL [X:1]
xref: NCI:C9305
xref: SNOMEDCT_US_2016_03_01:363346000
is_a: DOID:4 ! disease
relationship: part_of DOID:4

[Term]
id: DOID:5
name: obsolete tumor
is_obsolete: true
replaced_by: DOID:162

[Typedef]
id: part_of
name: part of
def: "A relation." []
"""


def write(tmp_path, text, name="a.obo"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_read_obo__reads_all_of_a_term(tmp_path):
    path = write(tmp_path, HEADER + TERMS)
    source = read_obo(path)
    root, cancer, old = source.terms
    assert (root.id, root.name, root.parents) == ("DOID:4", "disease", ())
    assert cancer.alternative_ids == ("DOID:99",)
    assert cancer.definitions == (Definition('A "bad" disease.', "DO"),)
    assert cancer.synonyms == (Synonym("malignant tumor", "EXACT"), Synonym("neoplasm", "BROAD"))
    assert cancer.xrefs == ("NCI:C9305", "SNOMEDCT_US_2016_03_01:363346000")
    assert cancer.parents == ("DOID:4",)
    assert (old.is_obsolete, old.replaced_by) == (True, ("DOID:162",))
    assert source.record.version == "releases/2020-01-01"
    assert source.record.licence == "This work is licensed under CC0."
    assert source.num_relation_definitions == 1
    assert source.notes == ("1 relationships other than is_a not read",)
    lines = path.read_text().split("\n")
    assert [lines[number - 1] for number in source.lines] == ["[Term]"] * 3


def test_read_obo__keeps_a_term_whose_references_are_faulty(tmp_path):
    faulty = """
[Term]
id: DOID:7
name: zika
def: "A fever [of Zika]." [url: http\\://a.b, JA:a b c]
synonym: "Zika fever" EXACT [a b c]
xref: http://a.b/Category\\:Thing
xref: NCI:C1
is_a: DOID:4
"""
    source = read_obo(write(tmp_path, HEADER + TERMS + faulty))
    zika = source.terms[-1]
    assert zika.definitions[0].text == "A fever [of Zika]."
    assert zika.synonyms == (Synonym("Zika fever", "EXACT"),)
    assert zika.xrefs == ("NCI:C1",)
    assert any(note.startswith("3 faulty references left out") for note in source.notes)


def test_read_obo__takes_windows_line_ends_and_other_scripts(tmp_path):
    text = HEADER + TERMS.replace("malignant tumor", "\u764c")
    path = tmp_path / "a.obo"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    source = read_obo(path)
    assert len(source.terms) == 3
    assert source.terms[1].synonyms[0].text == "\u764c"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('synonym: "unclosed EXACT []', "is not OBO"),
        ("is_a:", "is not OBO"),
        ("no clause at all", "is not OBO"),
        ("def: no quotes", "is not OBO"),
        ("name: second name", "DOID:9 has 2 names"),
    ],
)
def test_read_obo__names_the_line_of_a_fault(tmp_path, line, why):
    text = HEADER + TERMS + f"\n[Term]\nid: DOID:9\nname: nine\n{line}\n"
    path = write(tmp_path, text)
    with pytest.raises(KnowledgeError) as caught:
        read_obo(path)
    assert caught.value.code == "MV2002"
    lines = text.split("\n")
    number = lines.index("id: DOID:9") if "names" in why else lines.index(line) + 1
    assert f"{path} line {number}: " in caught.value.what
    assert why in caught.value.what


def test_read_obo__refuses_a_file_without_terms_or_names(tmp_path):
    with pytest.raises(KnowledgeError, match=r"MV2002.*holds no \[Term\]"):
        read_obo(write(tmp_path, HEADER))
    with pytest.raises(KnowledgeError, match=r"MV2002.*DOID:1 has 0 names"):
        read_obo(write(tmp_path, "[Term]\nid: DOID:1\n"))
    with pytest.raises(KnowledgeError, match=r"MV2002.*line 1.*is not OBO"):
        read_obo(write(tmp_path, "hello\n"))


def test_read_obo__leaves_out_empty_synonyms_and_remarks_behind_a_name(tmp_path):
    stanza = """
[Term]
id: X:1
name: cancer {source="X"} ! remark
synonym: "" EXACT []
synonym: "tumor" EXACT []
"""
    source = read_obo(write(tmp_path, HEADER + stanza))
    (term,) = source.terms
    assert (term.name, [s.text for s in term.synonyms]) == ("cancer", ["tumor"])
    assert source.notes == ("1 empty synonyms left out",)


def test_read_obo__takes_indented_stanzas(tmp_path):
    source = read_obo(write(tmp_path, HEADER + TERMS.replace("[Term]", " [Term]")))
    assert len(source.terms) == len(source.lines) == 3


def test_read_obo__refuses_what_makes_the_reader_itself_fail(tmp_path, monkeypatch):
    class PanicException(BaseException):
        pass

    def fail(text):
        raise PanicException("entered unreachable code")

    monkeypatch.setattr("fastobo.loads", fail)
    with pytest.raises(KnowledgeError, match=r"MV2002.*line 1: .*makes the OBO reader fail"):
        read_obo(write(tmp_path, HEADER + TERMS))


def test_read_obo__reads_the_ontology_of_2016(real_data):
    source = read_obo(real_data / "knowledge/doid_2016-09-01_full.obo")
    terms = source.terms
    assert len(terms) == 9_344
    assert sum(term.is_obsolete for term in terms) == 2_373
    assert sum(len(term.parents) for term in terms) == 8_155
    assert sum(len(term.synonyms) for term in terms) == 15_269
    assert sum(len(term.xrefs) for term in terms) == 36_891
    num_definitions = sum(len(term.definitions) for term in terms)
    assert num_definitions + source.num_relation_definitions == 3_309
    assert source.notes == (
        "7 faulty references left out (lines 6229, 6237, 6245, 6275, 10756, 15467, 94365)",
    )
    zika = next(term for term in terms if term.id == "DOID:0060478")
    assert zika.definitions[0].text.startswith("A viral infectious disease that has_material")
    graph = KnowledgeGraph(term for term in terms if not term.is_obsolete)
    assert (len(graph), graph.roots) == (6_971, ("DOID:4",))


def test_read_obo__reads_the_slims_and_another_ontology(real_data):
    folder = real_data / "knowledge"
    counts = {
        "do_2026-07-31/NCIthesaurus.obo": (4_757, 4_780, 8_358, 3_144),
        "do_2026-07-31/DO_cancer_slim.obo": (730, 657, 1_265, 582),
        "do_2026-07-31/DO_RAD_slim.obo": (81, 80, 195, 78),
    }
    for name, expected in counts.items():
        terms = read_obo(folder / name).terms
        assert expected == (
            len(terms),
            sum(len(term.parents) for term in terms),
            sum(len(term.synonyms) for term in terms),
            sum(len(term.definitions) for term in terms),
        )
    uberon = read_obo(folder / "uberon_efo-slim.obo")
    assert len(uberon.terms) == 613
    assert any("relationships other than is_a" in note for note in uberon.notes)

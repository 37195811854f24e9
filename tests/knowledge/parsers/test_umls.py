import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.build import build_graph
from medvlp.knowledge.graph import Definition, KnowledgeGraph
from medvlp.knowledge.parsers.umls import read_umls, refuse_umls_export
from tests.knowledge.example_graphs import tumour_graph


def name_row(cui, text, *, language="ENG", preferred=True, source="MTH", code="1", suppress="N"):
    flags = ("P", "L1", "PF", "S1", "Y") if preferred else ("S", "L1", "VO", "S2", "N")
    return [cui, language, *flags, "A1", "", "", "", source, "PT", code, text, "0", suppress, ""]


def definition_row(cui, text, *, suppress="N"):
    return [cui, "A1", "AT1", "", "NCI", text, suppress, ""]


def relation_row(first, relation, second, *, suppress="N"):
    return [
        first,
        "A1",
        "AUI",
        relation,
        second,
        "A2",
        "AUI",
        "",
        "R1",
        "",
        "NCI",
        "NCI",
        "",
        "",
        suppress,
        "",
    ]


def write(folder, **rows):
    folder.mkdir(exist_ok=True)
    for name, lines in rows.items():
        text = "".join("|".join(line) + "|\n" for line in lines)
        (folder / f"{name}.RRF").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def release(tmp_path):
    """A release of four made-up concepts."""
    return write(
        tmp_path / "META",
        MRCONSO=[
            name_row("C0000001", "made tumor, NOS", preferred=False),
            name_row("C0000001", "Made tumor"),
            name_row("C0000001", "Tumeur", language="FRE"),
            name_row("C0000001", "withdrawn name", preferred=False, suppress="O"),
            name_row("C0000001", "Made tumor", source="NCI", code="C111", preferred=False),
            name_row("C0000002", "Made cancer", source="SNOMEDCT_US", code="222"),
            name_row("C0000003", "Tumeur seule", language="FRE"),
            name_row("C0000004", "Unrelated \u7624"),
        ],
        MRDEF=[
            definition_row("C0000001", "What grows."),
            definition_row("C0000001", "Withdrawn.", suppress="Y"),
            definition_row("C0000003", "Not English."),
        ],
        MRREL=[
            relation_row("C0000001", "PAR", "C0000002"),
            relation_row("C0000002", "CHD", "C0000001"),
            relation_row("C0000002", "PAR", "C0000004", suppress="O"),
            relation_row("C0000001", "PAR", "C0000009"),
            relation_row("C0000004", "PAR", "C0000004"),
        ],
    )


def test_read_umls__reads_english_rows_that_are_not_suppressed(release):
    source = read_umls(release)
    terms = {term.id: term for term in source.terms}
    assert set(terms) == {"UMLS_CUI:C0000001", "UMLS_CUI:C0000002", "UMLS_CUI:C0000004"}
    tumor = terms["UMLS_CUI:C0000001"]
    assert tumor.name == "Made tumor"
    assert [(s.text, s.scope, s.source) for s in tumor.synonyms] == [
        ("made tumor, NOS", "EXACT", "UMLS")
    ]
    assert tumor.definitions == (Definition("What grows.", "UMLS"),)
    assert tumor.parents == ("UMLS_CUI:C0000002",)
    assert tumor.xrefs == ("NCI:C111",)
    assert terms["UMLS_CUI:C0000002"].xrefs == ("SNOMEDCT_US:222",)
    assert source.record.holds_umls


def test_read_umls__needs_names_only_and_takes_a_choice(release):
    (release / "MRDEF.RRF").unlink()
    (release / "MRREL.RRF").unlink()
    (term,) = read_umls(release, {"UMLS_CUI:C0000001"}).terms
    assert (term.id, term.definitions, term.parents) == ("UMLS_CUI:C0000001", (), ())


@pytest.mark.parametrize("prefix", ["UMLS_CUI", "UMLS"])
def test_build_graph__adds_names_of_the_umls_to_terms_that_refer_to_it(release, tmp_path, prefix):
    own = tmp_path / "own.jsonl"
    own.write_text(f'{{"id": "X:1", "name": "my tumor", "xrefs": ["{prefix}:C0000001"]}}\n')
    graph, report = build_graph([own, release])
    assert len(graph) == 1
    assert graph["X:1"].exact_names == ("my tumor", "Made tumor", "made tumor, NOS")
    assert graph["UMLS_CUI:C0000001"].id == "X:1"
    assert (report.merges[0].by_reference, report.merges[0].added) == (1, 0)
    assert report.holds_umls


def test_refuse_umls_export__lets_only_the_permitted_through(release):
    source = read_umls(release)
    graph = KnowledgeGraph(source.terms, [source.record])
    with pytest.raises(KnowledgeError, match=r"MV2009: model m holds.*from UMLS.*--allow-umls"):
        refuse_umls_export(graph, allow=False, what="model m")
    refuse_umls_export(graph, allow=True)
    refuse_umls_export(tumour_graph(), allow=False)


def test_read_umls__names_the_line_of_a_short_row(release):
    with (release / "MRCONSO.RRF").open("a") as file:
        file.write("C0000009|ENG|\n")
    with pytest.raises(KnowledgeError, match=r"MV2002.*MRCONSO.RRF line 9: has 2 columns.*18"):
        read_umls(release)


def test_read_umls__refuses_a_folder_without_names_and_bytes_of_another_encoding(tmp_path):
    with pytest.raises(KnowledgeError, match=r"MV2006.*MRCONSO.RRF cannot be read"):
        read_umls(tmp_path)
    (tmp_path / "MRCONSO.RRF").write_bytes(b"C1|ENG|\xff\n")
    with pytest.raises(KnowledgeError, match=r"MV2006.*not UTF-8"):
        read_umls(tmp_path)

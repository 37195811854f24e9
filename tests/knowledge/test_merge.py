from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.merge import merge_terms
from tests.knowledge.example_graphs import term

BASE = [
    term("X:1", "disease"),
    term("X:2", "lung cancer", "X:1", xrefs=("NCI:C1", "UMLS_CUI:C01")),
    term("X:3", "lung adenocarcinoma", "X:2", xrefs=("NCI:C2", "MESH:D1")),
    term("X:4", "seminoma", "X:1", xrefs=("NCI:C4",)),
    term("X:5", "testis seminoma", "X:4", xrefs=("NCI:C4", "NCI:C5")),
    term("X:6", "brain cancer", "X:1"),
]


def merge(*incoming, base=BASE, **settings):
    terms, report = merge_terms({item.id: item for item in base}, incoming, "other", **settings)
    KnowledgeGraph(terms.values())
    return terms, report


def why_of(report):
    return {conflict.id: conflict.why for conflict in report.conflicts}


def test_merge_terms__unites_by_reference_and_hangs_the_rest_below():
    terms, report = merge(
        term("Y:1", "organ"),
        term("Y:2", "Lung Tumour", "Y:1", xrefs=("NCIT:C1",), definition="A lump."),
        term("Y:3", "rare lung cancer", "Y:2"),
    )
    lung = terms["X:2"]
    assert [(s.text, s.scope, s.source) for s in lung.synonyms] == [
        ("Lung Tumour", "EXACT", "other")
    ]
    assert lung.definitions[0].text == "A lump."
    assert lung.parents == ("X:1",)
    assert lung.xrefs == ("NCI:C1", "UMLS_CUI:C01", "NCIT:C1")
    assert lung.alternative_ids == ("Y:2",)
    assert "Y:2" not in terms
    assert terms["Y:3"].parents == ("X:2",)
    assert (report.same_id, report.by_reference, report.added) == (0, 1, 2)
    assert report.conflicts == ()


def test_merge_terms__unites_the_same_id_and_keeps_the_first_hierarchy():
    terms, report = merge(
        term("X:6", "cerebral cancer", "X:2", synonyms=["Brain Cancers", ("CNS tumor", "BROAD")]),
        term("X:2", "lung cancer"),
    )
    brain = terms["X:6"]
    assert (brain.name, brain.parents) == ("brain cancer", ("X:1",))
    assert [(s.text, s.scope) for s in brain.synonyms] == [
        ("cerebral cancer", "EXACT"),
        ("CNS tumor", "BROAD"),
    ]
    assert brain.alternative_ids == ()
    assert (report.same_id, report.added, report.differing_is_a) == (2, 0, 1)


def test_merge_terms__lets_the_name_decide_between_several():
    terms, report = merge(term("Y:1", "Seminoma", xrefs=("NCI:C4",)))
    assert terms["X:4"].alternative_ids == ("Y:1",)
    assert report.by_reference == 1
    terms, report = merge(term("Y:1", "germ cell tumor", xrefs=("NCI:C4",)))
    assert "Y:1" in terms
    assert report.conflicts[0].others == ("X:4", "X:5")
    assert "several terms" in report.conflicts[0].why


def test_merge_terms__gives_a_target_to_one_term_only():
    both = [
        term("Y:1", "lung cancers", xrefs=("NCI:C1",)),
        term("Y:2", "pulmonary tumor", xrefs=("UMLS_CUI:C01",)),
    ]
    terms, report = merge(*both)
    assert terms["X:2"].alternative_ids == ("Y:1",)
    assert set(why_of(report)) == {"Y:2"}
    higher = [
        term("Y:1", "a", xrefs=("NCI:C1",)),
        term("Y:2", "b", "Y:1", xrefs=("NCI:C1",)),
    ]
    terms, report = merge(*higher)
    assert terms["X:2"].alternative_ids == ("Y:1",)
    assert terms["Y:2"].parents == ("X:2",)
    equal = [term("Y:1", "a", xrefs=("NCI:C1",)), term("Y:2", "b", xrefs=("NCI:C1",))]
    terms, report = merge(*equal)
    assert terms["X:2"].alternative_ids == ()
    assert set(why_of(report)) == {"Y:1", "Y:2"}


def test_merge_terms__keeps_apart_what_its_source_keeps_apart():
    terms, report = merge(
        term("X:2", "lung cancer"), term("Y:1", "eye disease", xrefs=("UMLS_CUI:C01",))
    )
    assert "Y:1" in terms
    assert terms["X:2"].alternative_ids == ()
    assert (report.same_id, report.by_reference, report.added) == (1, 0, 1)
    assert report.conflicts[0].others == ("X:2",)
    assert why_of(report) == {"Y:1": "its source has another term for the same one"}
    twice = [term("Y:1", "Brain Cancer"), term("Y:2", "brain cancers")]
    terms, report = merge(*twice, equal_names=True)
    assert (report.by_name, report.added) == (0, 2)
    assert set(why_of(report)) == {"Y:1", "Y:2"}


def test_merge_terms__knows_a_concept_of_the_graph_by_a_reference_to_it():
    base = [term("UMLS_CUI:C1", "a")]
    terms, report = merge(term("X:1", "b", xrefs=("UMLS:C1",)), base=base)
    assert terms["UMLS_CUI:C1"].alternative_ids == ("X:1",)
    assert report.by_reference == 1


def test_merge_terms__counts_only_vocabularies_of_diseases():
    terms, report = merge(term("Y:1", "other words", xrefs=("MESH:D1",)))
    assert "Y:1" in terms
    assert report.by_reference == 0


def test_merge_terms__takes_several_concepts_that_a_term_refers_to():
    base = [term("X:1", "a", xrefs=("UMLS_CUI:C1", "UMLS_CUI:C2"))]
    terms, report = merge(term("UMLS_CUI:C1", "b"), term("UMLS_CUI:C2", "c"), base=base)
    assert [s.text for s in terms["X:1"].synonyms] == ["b", "c"]
    assert report.by_reference == 2


def test_merge_terms__merges_equal_names_only_when_asked():
    incoming = term("Y:1", "Brain Cancers")
    terms, report = merge(incoming)
    assert why_of(report) == {"Y:1": "called the same, without a shared reference"}
    assert "Y:1" in terms
    terms, report = merge(incoming, equal_names=True)
    assert (report.by_name, report.conflicts) == (1, ())
    assert terms["X:6"].alternative_ids == ("Y:1",)

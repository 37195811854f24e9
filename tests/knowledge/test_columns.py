from medvlp.knowledge.columns import columns_of, columns_sha256
from tests.knowledge.example_graphs import term, tumour_terms


def test_columns_of__gives_back_every_term():
    terms = [*tumour_terms(), term("X:9", "old", is_obsolete=True, replaced_by=("X:1",))]
    columns = columns_of(terms)
    assert [columns.term(index) for index in range(len(columns))] == terms


def test_columns_of__takes_no_terms():
    assert len(columns_of([])) == 0


def test_columns_sha256__sees_to_which_term_and_column_a_text_belongs():
    one = columns_of([term("X:1", "a", xrefs=("p",)), term("X:2", "b")])
    two = columns_of([term("X:1", "a"), term("X:2", "b", xrefs=("p",))])
    three = columns_of([term("X:1", "a", replaced_by=("p",)), term("X:2", "b")])
    assert len({columns_sha256(columns) for columns in (one, two, three)}) == 3

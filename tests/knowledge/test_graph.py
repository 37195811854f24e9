import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from tests.knowledge.example_graphs import SOURCE, term, tumour_graph, tumour_terms


def test_graph__holds_terms_in_the_order_of_their_ids():
    graph = KnowledgeGraph(reversed(tumour_terms()), [SOURCE])
    assert graph.ids == tuple(f"X:{number}" for number in range(1, 9))
    assert [item.id for item in graph] == list(graph.ids)
    assert len(graph) == 8
    assert graph["X:6"].definitions[0].source == "DO"
    assert graph.sources == (SOURCE,)
    assert not graph.holds_umls


def test_graph__resolves_alternative_ids():
    graph = tumour_graph()
    assert "X:55" in graph
    assert graph["X:55"].name == "brain cancer"
    assert "X:56" not in graph


def test_graph__names_the_nearest_id_of_an_unknown_one():
    with pytest.raises(KnowledgeError, match=r"MV2001.*'X:66' \(did you mean 'X:6'\?\)"):
        tumour_graph()["X:66"]


def test_graph__walks_both_ways():
    graph = tumour_graph()
    assert graph.roots == ("X:1",)
    assert graph.parents("X:4") == ("X:2", "X:3")
    assert graph.children("X:4") == ("X:6", "X:7")
    assert graph.ancestors("X:6") == {"X:1", "X:2", "X:3", "X:4"}
    assert graph.descendants("X:2") == {"X:4", "X:5", "X:6", "X:7", "X:8"}
    assert graph.descendants("X:8") == frozenset()


def test_graph__finds_names_before_exact_synonyms():
    graph = KnowledgeGraph(
        [term("X:1", "sarcoma", synonyms=["Ewing tumour"]), term("X:2", "ewing's tumor")]
    )
    assert graph.find("Ewing Tumors") == ("X:2", "X:1")
    assert tumour_graph().find("LUAD") == ()
    assert tumour_graph().find("") == ()


def test_graph__refuses_a_circle_and_names_it():
    terms = [
        term("X:1", "root"),
        term("X:2", "a", "X:4", "X:1"),
        term("X:3", "b", "X:2"),
        term("X:4", "c", "X:3"),
        term("X:5", "below", "X:4"),
    ]
    with pytest.raises(KnowledgeError, match="MV2003") as caught:
        KnowledgeGraph(terms)
    assert "X:2 is_a X:4 is_a X:3 is_a X:2" in str(caught.value)


def test_graph__refuses_a_term_that_is_its_own_parent():
    with pytest.raises(KnowledgeError, match=r"MV2003.*X:1 is_a X:1"):
        KnowledgeGraph([term("X:1", "a", "X:1")])


def test_graph__refuses_duplicate_ids_and_unknown_parents():
    with pytest.raises(KnowledgeError, match=r"MV2004.*X:1 more than once"):
        KnowledgeGraph([term("X:1", "a"), term("X:1", "b")])
    with pytest.raises(
        KnowledgeError, match=r"MV2005: .*X:2 has the parent 'X:9', which does not exist"
    ):
        KnowledgeGraph([term("X:1", "a"), term("X:2", "b", "X:9")])


def test_graph__without_terms_is_empty():
    graph = KnowledgeGraph([])
    assert (len(graph), graph.roots, graph.find("x"), graph.ids) == (0, (), (), ())
    with pytest.raises(KnowledgeError, match="MV2001"):
        graph["X:1"]


def test_content_sha256__changes_with_any_word():
    first = KnowledgeGraph([term("X:1", "ab", synonyms=["c"])])
    assert (
        first.content_sha256
        == KnowledgeGraph([term("X:1", "ab", synonyms=["c"])], [SOURCE]).content_sha256
    )
    others = [
        KnowledgeGraph([term("X:1", "a", synonyms=["bc"])]),
        KnowledgeGraph([term("X:1", "ab", synonyms=[("c", "BROAD")])]),
        KnowledgeGraph([term("X:1", "ab", definition="c")]),
        KnowledgeGraph([term("X:1", "ab", synonyms=["c"], is_obsolete=True)]),
    ]
    assert len({graph.content_sha256 for graph in (first, *others)}) == 5


def test_parent_lists__hold_direct_parents_of_the_whole_graph():
    starts, parents = tumour_graph().parent_lists()
    assert starts.tolist() == [0, 0, 1, 2, 4, 5, 6, 7, 8]
    assert parents.tolist() == [0, 0, 1, 2, 1, 3, 3, 4]
    assert starts.dtype == parents.dtype == np.int64


def test_parent_lists__bridge_terms_that_are_left_out():
    starts, parents = tumour_graph().parent_lists(["X:8", "X:1", "X:6", "X:2"])
    assert starts.tolist() == [0, 2, 2, 4, 5]
    assert parents.tolist() == [1, 3, 1, 3, 1]


@st.composite
def random_parents(draw):
    """Draw, for up to 12 terms, parents with smaller numbers, so without circles."""
    num = draw(st.integers(1, 12))
    return [
        draw(st.sets(st.integers(0, max(row - 1, 0)), max_size=3)) if row else set()
        for row in range(num)
    ]


@settings(max_examples=80, deadline=None)
@given(random_parents())
def test_ancestors__equal_the_closure_of_the_parent_matrix(parents):
    ids = [f"X:{row:02d}" for row in range(len(parents))]
    graph = KnowledgeGraph(
        term(ids[row], "n", *sorted(ids[p] for p in above)) for row, above in enumerate(parents)
    )
    reach = np.zeros((len(ids), len(ids)), dtype=bool)
    for row, above in enumerate(parents):
        reach[row, list(above)] = True
    for _ in ids:
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    for row, id_ in enumerate(ids):
        assert graph.ancestors(id_) == {ids[col] for col in np.flatnonzero(reach[row])}
        assert graph.descendants(id_) == {ids[col] for col in np.flatnonzero(reach[:, row])}

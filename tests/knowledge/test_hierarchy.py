import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.hierarchy import (
    depth,
    hypernym_chain,
    leaves_below,
    lowest_common_ancestors,
    path_to_root,
)
from tests.knowledge.example_graphs import term, tumour_graph


def test_depth__is_the_longest_way_up():
    graph = KnowledgeGraph(
        [term("X:1", "r"), term("X:2", "a", "X:1"), term("X:3", "b", "X:2", "X:1")]
    )
    assert [depth(graph, id_) for id_ in graph.ids] == [0, 1, 2]
    assert path_to_root(graph, "X:3") == ("X:1", "X:3")


def test_path_to_root__takes_the_first_of_equal_ways_and_ends_with_the_term():
    graph = tumour_graph()
    assert path_to_root(graph, "X:6") == ("X:1", "X:2", "X:4", "X:6")
    assert path_to_root(graph, "X:1") == ("X:1",)
    assert path_to_root(graph, "X:55") == ("X:1", "X:2", "X:5")


def test_leaves_below__have_no_children():
    graph = tumour_graph()
    assert leaves_below(graph, "X:2") == ("X:6", "X:7", "X:8")
    assert leaves_below(graph, "X:8") == ()


def test_lowest_common_ancestors__by_hand():
    graph = tumour_graph()
    assert lowest_common_ancestors(graph, "X:6", "X:7") == ("X:4",)
    assert lowest_common_ancestors(graph, "X:6", "X:8") == ("X:2",)
    assert lowest_common_ancestors(graph, "X:6", "X:4") == ("X:4",)
    assert lowest_common_ancestors(graph, "X:3", "X:3") == ("X:3",)
    assert lowest_common_ancestors(graph, "X:6", "X:7", "X:8") == ("X:2",)
    assert lowest_common_ancestors(graph, "X:6") == ("X:6",)
    two_roots = KnowledgeGraph([term("X:1", "a"), term("X:2", "b")])
    assert lowest_common_ancestors(two_roots, "X:1", "X:2") == ()


@st.composite
def random_parents(draw):
    num = draw(st.integers(2, 10))
    rows = [draw(st.sets(st.integers(0, max(row - 1, 0)), max_size=3)) for row in range(num)]
    return [rows[row] if row else set() for row in range(num)]


@settings(max_examples=80, deadline=None)
@given(random_parents(), st.data())
def test_lowest_common_ancestors__equal_the_brute_force(parents, data):
    ids = [f"X:{row:02d}" for row in range(len(parents))]
    graph = KnowledgeGraph(
        term(ids[row], "n", *(ids[p] for p in sorted(above))) for row, above in enumerate(parents)
    )

    def is_above(high, low):
        return high == low or any(is_above(high, p) for p in parents[low])

    first, second = (data.draw(st.integers(0, len(ids) - 1)) for _ in range(2))
    common = [x for x in range(len(ids)) if is_above(x, first) and is_above(x, second)]
    lowest = [x for x in common if not any(y != x and is_above(x, y) for y in common)]
    expected = tuple(ids[x] for x in lowest)
    assert lowest_common_ancestors(graph, ids[first], ids[second]) == expected


def test_hypernym_chain__takes_every_parent_sometimes_and_ends_with_the_term():
    graph = tumour_graph()
    rng = np.random.default_rng(0)
    chains = {hypernym_chain(graph, "X:6", rng, excluded=frozenset({"X:1"})) for _ in range(50)}
    assert chains == {("X:2", "X:4", "X:6"), ("X:3", "X:4", "X:6")}


def test_hypernym_chain__stops_below_excluded_terms():
    graph = tumour_graph()
    rng = np.random.default_rng(0)
    excluded = frozenset({"X:4"})
    assert hypernym_chain(graph, "X:6", rng, excluded=excluded) == ("X:6",)
    assert hypernym_chain(graph, "X:4", rng, excluded=excluded)[-1] == "X:4"
    assert hypernym_chain(graph, "X:8", rng)[0] == "X:1"


def test_hypernym_chain__repeats_with_the_same_seed():
    graph = tumour_graph()
    chains = [
        [hypernym_chain(graph, "X:6", rng) for _ in range(9)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    ]
    assert chains[0] == chains[1]
    assert len(set(chains[0])) == 2


def test_hierarchy__refuses_unknown_terms():
    for ask in (depth, path_to_root, leaves_below):
        with pytest.raises(KnowledgeError, match="MV2001"):
            ask(tumour_graph(), "X:99")


def test_hypernym_chain__of_the_disease_ontology_leaves_the_upper_terms_out(disease_ontology):
    graph = disease_ontology
    chain = hypernym_chain(graph, "DOID:3910", np.random.default_rng(0))
    assert [graph[id_].name for id_ in chain] == [
        "cancer",
        "organ system cancer",
        "respiratory system cancer",
        "lung cancer",
        "lung carcinoma",
        "lung non-small cell carcinoma",
        "lung adenocarcinoma",
    ]

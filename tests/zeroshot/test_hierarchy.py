"""Rolling up probabilities over small graphs by hand, and over random ones by brute force."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvlp.errors import ConfigError
from medvlp.zeroshot.hierarchy import build_hierarchy


@dataclass(frozen=True)
class Concept:
    id: str
    name: str
    is_obsolete: bool = False


@dataclass(frozen=True)
class Graph:
    """Parents by id; names are ids in lower case."""

    above: dict[str, tuple[str, ...]]
    alternatives: dict[str, str] = field(default_factory=dict)
    obsolete: frozenset[str] = frozenset()

    def __contains__(self, concept: str) -> bool:
        return concept in self.above or concept in self.alternatives

    def __getitem__(self, concept: str) -> Concept:
        name = self.alternatives.get(concept, concept)
        return Concept(name, name.lower(), name in self.obsolete)

    def parents(self, concept: str) -> tuple[str, ...]:
        return self.above[concept]

    def ancestors(self, concept: str) -> frozenset[str]:
        found: set[str] = set()
        for parent in self.above[concept]:
            found |= {parent} | self.ancestors(parent)
        return frozenset(found)


RENAL = Graph(
    {
        "DISEASE": (),
        "CANCER": ("DISEASE",),
        "KIDNEY": ("DISEASE",),
        "RCC": ("CANCER", "KIDNEY"),
        "CLEAR": ("RCC",),
        "PAPILLARY": ("RCC",),
        "CHROMOPHOBE": ("RCC",),
        "ONCOCYTOMA": ("KIDNEY",),
    },
    alternatives={"OLD": "CLEAR"},
)
CLASSES = {"cc": "CLEAR", "pap": "PAPILLARY", "onc": "ONCOCYTOMA", "Normal": None}


def by_name(hierarchy, probabilities) -> dict[str, float]:
    found = hierarchy.roll_up(probabilities).tolist()
    return dict(zip(hierarchy.names, found, strict=True))


def test_roll_up__adds_up_the_classes_below_each_node() -> None:
    found = by_name(build_hierarchy(CLASSES, RENAL), [0.5, 0.2, 0.1, 0.2])
    expected = {
        "": 1.0,
        "kidney": 0.8,
        "rcc": 0.7,
        "clear": 0.5,
        "papillary": 0.2,
        "oncocytoma": 0.1,
        "Normal": 0.2,
    }
    assert found == pytest.approx(expected)


def test_build_hierarchy__starts_at_the_lowest_common_ancestor() -> None:
    hierarchy = build_hierarchy({"cc": "CLEAR", "pap": "PAPILLARY"}, RENAL)
    assert hierarchy.ids == ("RCC", "CLEAR", "PAPILLARY")
    assert hierarchy.choose([0.6, 0.4], 0.9).node == "RCC"
    assert hierarchy.choose([0.6, 0.4], 0.9).path == ("rcc",)


@pytest.mark.parametrize(
    ("probabilities", "node", "path"),
    [
        ([0.92, 0.03, 0.03, 0.02], "CLEAR", ("kidney", "rcc", "clear")),
        ([0.60, 0.35, 0.03, 0.02], "RCC", ("kidney", "rcc")),
        ([0.40, 0.20, 0.38, 0.02], "KIDNEY", ("kidney",)),
        ([0.40, 0.20, 0.10, 0.30], None, ()),
        ([0.01, 0.02, 0.01, 0.96], None, ("Normal",)),
    ],
)
def test_choose__goes_as_deep_as_the_confidence_allows(probabilities, node, path) -> None:
    choice = build_hierarchy(CLASSES, RENAL).choose(probabilities, 0.9)
    assert (choice.node, choice.path) == (node, path)
    assert choice.confidence >= 0.9


def test_choose__keeps_the_share_of_a_class_above_others_at_its_own_node() -> None:
    hierarchy = build_hierarchy({"rcc": "RCC", "cc": "CLEAR", "onc": "ONCOCYTOMA"}, RENAL)
    assert by_name(hierarchy, [0.5, 0.45, 0.05])["rcc"] == pytest.approx(0.95)
    assert hierarchy.choose([0.5, 0.45, 0.05], 0.9).path == ("kidney", "rcc")
    assert hierarchy.choose([0.04, 0.95, 0.01], 0.9).node == "CLEAR"


def test_roll_up__counts_a_class_once_however_many_ways_lead_to_it() -> None:
    graph = Graph(
        {"TOP": (), "L": ("TOP",), "R": ("TOP",), "A": ("L", "R"), "B": ("L",), "C": ("R",)}
    )
    found = by_name(build_hierarchy({"a": "A", "b": "B", "c": "C"}, graph), [0.5, 0.3, 0.2])
    assert found == pytest.approx({"top": 1, "l": 0.8, "r": 0.7, "a": 0.5, "b": 0.3, "c": 0.2})


def test_choose__takes_the_likelier_of_two_nodes_that_both_pass() -> None:
    graph = Graph(
        {"TOP": (), "L": ("TOP",), "R": ("TOP",), "A": ("L", "R"), "B": ("L",), "C": ("R",)}
    )
    hierarchy = build_hierarchy({"a": "A", "b": "B", "c": "C"}, graph)
    assert hierarchy.choose([0.8, 0.15, 0.05], 0.82).node == "L"
    assert hierarchy.choose([0.8, 0.05, 0.15], 0.82).node == "R"
    assert hierarchy.choose([0.8, 0.1, 0.1], 0.9).node == "L"


def test_choose__prefers_the_node_of_the_most_probable_class() -> None:
    above = {"TOP": (), "Y": ("TOP",), "X": ("TOP",)}
    leaves = {name: ("Y",) for name in "ABC"} | {name: ("X",) for name in "DE"}
    hierarchy = build_hierarchy({name: name for name in "ABCDE"}, Graph(above | leaves))
    assert hierarchy.choose([0.3, 0.15, 0.1, 0.225, 0.225], 0.45).node == "Y"
    assert hierarchy.choose([0.2, 0.2, 0.15, 0.3, 0.15], 0.45).node == "X"


def test_build_hierarchy__without_a_graph_is_flat() -> None:
    hierarchy = build_hierarchy(CLASSES, None)
    assert hierarchy.ids == (None, "CLEAR", "PAPILLARY", "ONCOCYTOMA", None)
    assert hierarchy.choose([0.95, 0.03, 0.01, 0.01], 0.9).path == ("cc",)
    assert hierarchy.choose([0.5, 0.5, 0.0, 0.0], 0.9).path == ()


def test_build_hierarchy__leaves_branches_beside_the_common_ancestor_out() -> None:
    graph = Graph({"TOP": (), "RARE": ("TOP",), "X": ("TOP",), "A": ("X", "RARE"), "B": ("X",)})
    assert build_hierarchy({"a": "A", "b": "B"}, graph).ids == ("X", "A", "B")


def test_build_hierarchy__knows_alternative_ids() -> None:
    hierarchy = build_hierarchy({"cc": "OLD", "pap": "PAPILLARY"}, RENAL)
    assert hierarchy.ids == ("RCC", "CLEAR", "PAPILLARY")


@pytest.mark.parametrize(
    ("concepts", "code"),
    [
        ({"a": "NOWHERE", "b": "CLEAR"}, "MV1525: class 'a' has the concept NOWHERE"),
        ({"a": "GONE", "b": "CLEAR"}, "MV1525: class 'a' .* obsolete"),
        ({"a": None, "b": None}, "MV1526"),
    ],
)
def test_build_hierarchy__refuses_concepts_without_a_place(concepts, code: str) -> None:
    graph = Graph({**RENAL.above, "GONE": ()}, obsolete=frozenset({"GONE"}))
    with pytest.raises(ConfigError, match=code):
        build_hierarchy(concepts, graph)


def test_roll_up__refuses_what_are_no_probabilities() -> None:
    hierarchy = build_hierarchy(CLASSES, RENAL)
    for bad in ([0.5, 0.2, 0.1, 0.1], [1.2, -0.2, 0.0, 0.0], [0.5, 0.5]):
        with pytest.raises(ValueError, match=r"sum to 1|expected 4 classes"):
            hierarchy.roll_up(bad)


@st.composite
def tasks(draw) -> tuple[Graph, dict[str, str | None], list[float]]:
    """A random acyclic graph, a task on it, and probabilities."""
    size = draw(st.integers(2, 12))
    above = {
        f"N{n}": tuple(sorted({f"N{m}" for m in draw(st.lists(st.integers(0, n - 1), max_size=3))}))
        if n
        else ()
        for n in range(size)
    }
    concepts = draw(
        st.lists(st.none() | st.integers(0, size - 1), min_size=2, max_size=7).filter(
            lambda found: any(c is not None for c in found)
        )
    )
    weights = draw(st.lists(st.integers(1, 100), min_size=len(concepts), max_size=len(concepts)))
    classes = {f"c{i}": None if c is None else f"N{c}" for i, c in enumerate(concepts)}
    return Graph(above), classes, [w / sum(weights) for w in weights]


@given(tasks(), st.floats(0, 1))
def test_roll_up__agrees_with_itself_and_with_brute_force(task, confidence: float) -> None:
    graph, classes, probabilities = task
    hierarchy = build_hierarchy(classes, graph)
    found = hierarchy.roll_up(probabilities)
    assert found[0] == 1
    for row, (node, above) in enumerate(zip(hierarchy.ids, hierarchy.parents, strict=True)):
        for up in above:
            assert up < row
            assert found[row] <= found[up] + 1e-12
        if node is not None:
            below = [
                p
                for p, c in zip(probabilities, classes.values(), strict=True)
                if c is not None and (c == node or node in graph.ancestors(c))
            ]
            assert found[row] == pytest.approx(sum(below))
    choice = hierarchy.choose(probabilities, confidence)
    assert choice.confidence >= min(confidence, 1) - 1e-6
    chosen = [r for r in range(len(found)) if hierarchy.path(r) == choice.path]
    deeper = [r for r in range(len(found)) if set(hierarchy.parents[r]) & set(chosen)]
    assert all(found[r] < confidence for r in deeper)

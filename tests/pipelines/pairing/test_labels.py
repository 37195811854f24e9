"""Votes of captions and labels become one label by a stated rule; negated findings do not vote."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvlp.errors import DataError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.linking import Linker
from medvlp.pipelines.pairing.labels import Labeller, Vote, decide_label
from medvlp.pipelines.pairing.settings import GroupLabels

ADENO, SQUAMOUS, LUNG, COLON, GOUT = "DOID:11", "DOID:12", "DOID:1", "DOID:2", "DOID:9"


@dataclass(frozen=True)
class FakeMention:
    concept_id: str
    confidence: float = 1.0
    status: str = "present"
    text: str = "words"


@dataclass(frozen=True)
class FakeText:
    mentions: tuple[FakeMention, ...]


class FakeLinker:
    def __init__(self, *mentions: FakeMention) -> None:
        self.mentions = mentions

    def link(self, text: str) -> FakeText:
        return FakeText(self.mentions)


def concepts(labeller: Labeller, caption: str, labels=()) -> list[str]:
    return [vote.concept for vote in labeller.votes(caption, labels)]


def test_votes__leave_out_negated_uncertain_and_unsure_mentions() -> None:
    linker = FakeLinker(
        FakeMention(ADENO),
        FakeMention(COLON, status="absent"),
        FakeMention(GOUT, status="uncertain"),
        FakeMention(SQUAMOUS, confidence=0.3),
    )
    assert concepts(Labeller(GroupLabels(), None, linker), "any caption") == [ADENO]


def test_votes__of_the_real_linker_leave_out_negated_diseases(graph: KnowledgeGraph) -> None:
    labeller = Labeller(GroupLabels(), graph, Linker(graph))
    assert concepts(labeller, "H&E image of lung adenocarcinoma, no colon cancer") == [ADENO]
    assert concepts(labeller, "no evidence of lung adenocarcinoma") == []


def test_votes__of_one_caption_count_a_concept_once_with_its_best_confidence() -> None:
    linker = FakeLinker(FakeMention(ADENO, 0.6), FakeMention(ADENO, 0.9), FakeMention(ADENO, 0.7))
    (vote,) = Labeller(GroupLabels(), None, linker).votes("x", ())
    assert vote.confidence == 0.9


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("normal colon mucosa", ["normal"]),
        ("Non-cancerous tissue of the lung", ["normal"]),
        ("abnormal colon mucosa", []),
        ("cells of a smear", []),
    ],
)
def test_votes__say_normal_by_whole_words(caption: str, expected: list[str]) -> None:
    assert concepts(Labeller(GroupLabels()), caption) == expected


def test_votes__of_a_disease_win_over_the_word_normal() -> None:
    labeller = Labeller(GroupLabels(), None, FakeLinker(FakeMention(ADENO)))
    assert concepts(labeller, "adenocarcinoma beside normal lung") == [ADENO]


def test_votes__take_labels_before_captions(graph: KnowledgeGraph) -> None:
    labeller = Labeller(GroupLabels(), graph, FakeLinker(FakeMention(ADENO)))
    assert concepts(labeller, "x", ("DOID:2", "Normal")) == [COLON, "normal"]
    with pytest.raises(DataError, match="no concept of the knowledge graph"):
        labeller.votes("x", ("DOID:999",))


def decide(graph, rule, *votes):
    label = decide_label([Vote(*vote) for vote in votes], graph, rule)
    return label.concepts, label.outcome


def test_decide__without_votes_is_unknown(graph: KnowledgeGraph) -> None:
    assert decide(graph, "majority") == (("unknown",), "unknown")
    assert decide(graph, "refuse", ("unknown", 1.0)) == (("unknown",), "unknown")


def test_decide__takes_the_lowest_of_one_lineage_without_conflict(graph: KnowledgeGraph) -> None:
    for rule in ("majority", "ancestor", "keep", "refuse"):
        votes = [("DOID:162", 1.0), (LUNG, 1.0), (ADENO, 0.6)]
        assert decide(graph, rule, *votes) == ((ADENO,), "lineage")
        assert decide(graph, rule, (ADENO, 0.5), (ADENO, 1.0)) == ((ADENO,), "given")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("majority", ((SQUAMOUS,), "majority")),
        ("ancestor", ((LUNG,), "ancestor")),
        ("keep", ((ADENO, SQUAMOUS), "kept")),
        ("refuse", ((), "refused")),
    ],
)
def test_decide__settles_a_conflict_by_its_rule(graph: KnowledgeGraph, rule, expected) -> None:
    assert decide(graph, rule, (ADENO, 0.9), (SQUAMOUS, 0.6), (SQUAMOUS, 0.6)) == expected


def test_decide__lets_an_ancestor_speak_for_those_below_it(graph: KnowledgeGraph) -> None:
    votes = [(COLON, 1.0), (ADENO, 0.6), (LUNG, 0.6)]
    assert decide(graph, "majority", *votes) == ((ADENO,), "majority")


def test_decide__breaks_a_tie_by_id(graph: KnowledgeGraph) -> None:
    assert decide(graph, "majority", (SQUAMOUS, 1.0), (ADENO, 1.0))[0] == (ADENO,)


def test_decide__finds_no_ancestor_that_says_anything(graph: KnowledgeGraph) -> None:
    assert decide(graph, "ancestor", (ADENO, 1.0), (GOUT, 1.0)) == (("unknown",), "ancestor")
    assert decide(graph, "ancestor", (ADENO, 1.0), ("normal", 1.0)) == (("unknown",), "ancestor")
    assert decide(graph, "ancestor", (ADENO, 1.0), (COLON, 1.0)) == (("DOID:162",), "ancestor")


def test_decide__counts_normal_beside_a_disease_as_a_conflict(graph: KnowledgeGraph) -> None:
    assert decide(graph, "refuse", (ADENO, 1.0), ("normal", 1.0))[1] == "refused"
    assert decide(graph, "majority", ("normal", 1.0), ("normal", 1.0), (ADENO, 1.0)) == (
        ("normal",),
        "majority",
    )
    assert decide(graph, "majority", ("normal", 1.0)) == (("normal",), "normal")


one_vote = st.tuples(
    st.sampled_from([ADENO, SQUAMOUS, LUNG, COLON, GOUT, "normal", "unknown"]),
    st.sampled_from([0.1, 0.3, 0.5, 0.7, 1.0]),
    st.sampled_from(["", "a", "b"]),
)


@given(votes=st.lists(one_vote, max_size=8), order=st.randoms(use_true_random=False))
def test_decide__does_not_depend_on_the_order(graph: KnowledgeGraph, votes, order) -> None:
    moved = list(votes)
    order.shuffle(moved)
    for rule in ("majority", "ancestor", "keep", "refuse"):
        first, second = (decide_label([Vote(*v) for v in vs], graph, rule) for vs in (votes, moved))
        assert first == second

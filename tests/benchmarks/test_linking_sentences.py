import random
from itertools import combinations
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

from benchmarks.linking_sentences import (
    ASSERTING,
    DENYING,
    KINDS,
    draw_sentences,
    misspell,
    names_of,
)
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.linking import Linker
from medvlp.knowledge.normalize import normalize_term
from medvlp.knowledge.parsers.jsonl import read_jsonl
from tests.knowledge.linking_graph import small_graph

GRAPH = small_graph()
SETS = ("development", "second", "third", "fourth", "fresh")


def test_draw_sentences__gives_the_same_for_a_seed() -> None:
    first, again, other = (
        draw_sentences(GRAPH, seed, count=30, templates="fresh") for seed in (1, 1, 2)
    )
    assert first == again != other


def test_draw_sentences__has_three_thirds_with_their_truth() -> None:
    sentences = draw_sentences(GRAPH, 0, count=300, templates="development")
    assert [sum(s.kind == kind for s in sentences) for kind in KINDS] == [100, 100, 100]
    assert {s.status for s in sentences if s.kind == "plain"} == {"present"}
    assert {s.status for s in sentences if s.kind == "negated"} == {"absent"}
    denied = sum(s.status == "absent" for s in sentences if s.kind == "misspelt")
    assert 10 < denied < 40
    assert all(s.written.lower() in s.text.lower() for s in sentences)


def test_names_of__gives_all_bearers_of_a_name() -> None:
    assert names_of(GRAPH)[normalize_term("twin syndrome")] == ({"twin syndrome"}, {"T:13", "T:14"})


def test_misspell__changes_one_letter() -> None:
    rng = random.Random(0)
    for _ in range(300):
        written = misspell("renal cell carcinoma", rng, {normalize_term("renal cell carcinoma")})
        assert OSA.distance(written.lower(), "renal cell carcinoma") == 1


def test_templates__are_shared_by_no_two_sets() -> None:
    for templates in (ASSERTING, DENYING):
        assert set(templates) == set(SETS)
        for one, other in combinations(templates.values(), 2):
            assert not set(one) & set(other)


@pytest.mark.slow
def test_templates__name_no_disease_themselves(real_data: Path) -> None:
    folder = real_data / "knowledge" / "do_2026-07-31"
    linker = Linker(KnowledgeGraph(read_jsonl(folder / "doid_rebuilt_full.jsonl").terms))
    for templates in (*ASSERTING.values(), *DENYING.values()):
        for template in templates:
            assert linker.link(template.format("xxxx")).mentions == ()

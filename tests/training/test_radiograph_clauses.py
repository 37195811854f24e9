"""Texts of findings are cut into clauses, and clauses are drawn with all who have them."""

import torch

from medvlp.data.radiograph_texts import tokenize_facets
from medvlp.knowledge.facets import FindingFacets
from medvlp.text.tokenizer import train_tokenizer
from medvlp.training.radiograph_clauses import cut_clauses, draw_clauses
from medvlp.training.radiograph_facets import number_texts

BOOK = (
    FindingFacets(
        "one, and more",
        definition="A round shadow, bright and sharp.",
        appearances=("It is bright; it lies above.",),
    ),
    FindingFacets("two", appearances=("The shadow is dark and sharp.", "It is bright.")),
)
TOKENIZER = train_tokenizer([text for finding in BOOK for _, text in finding.texts()] * 3, 400)


def clauses():
    return cut_clauses(tokenize_facets(TOKENIZER, BOOK, 64), TOKENIZER)


def test_cut_clauses__keeps_names_and_cuts_the_rest():
    found = clauses()
    expected = [
        (0, 0, "one, and more"),
        (0, 1, "a round shadow"),
        (0, 1, "bright"),
        (0, 1, "sharp"),
        (0, 2, "it is bright"),
        (0, 2, "it lies above"),
        (1, 0, "two"),
        (1, 2, "the shadow is dark"),
        (1, 2, "sharp"),
        (1, 2, "it is bright"),
    ]
    tokens = TOKENIZER.encode([text for _, _, text in expected], 64)
    assert torch.equal(found.tokens.ids, torch.from_numpy(tokens.ids))
    assert torch.equal(found.tokens.mask, torch.from_numpy(tokens.mask))
    assert found.class_index.tolist() == [finding for finding, _, _ in expected]
    assert found.kind.tolist() == [kind for _, kind, _ in expected]
    assert found.names == ("one, and more", "two")


def test_draw_clauses__takes_a_clause_with_every_finding_that_has_it():
    number = number_texts(clauses())
    shared = (number == number[3]).nonzero()[:, 0].tolist()
    assert shared == [3, 8]
    chance = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(50):
        rows = draw_clauses(number, 2, chance).tolist()
        assert len(set(number[rows].tolist())) == 2
        assert (3 in rows) == (8 in rows)
        seen |= set(rows)
    assert seen == set(range(10))
    assert draw_clauses(number, 99, chance).tolist() == list(range(10))

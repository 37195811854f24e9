"""Texts of findings are drawn by chance as told; kept vectors grow old as told."""

import pytest
import torch

from medvlp.data.batch import TextTokens
from medvlp.data.radiograph_batch import FacetTexts
from medvlp.training.radiograph_facets import FacetDraws, FacetVectors, draw_texts, number_texts

# finding 0: two names, a definition, three appearances; 1: a name; 2: a name, one appearance of 0's
KIND = torch.tensor([0, 0, 1, 2, 2, 2, 0, 0, 2])
CLASS = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2, 2])
IDS = torch.tensor([[1, 0], [2, 0], [3, 0], [4, 5], [6, 0], [6, 7], [8, 0], [9, 0], [4, 5]])
TEXTS = FacetTexts(
    tokens=TextTokens(ids=IDS, mask=IDS > 0),
    class_index=CLASS,
    kind=KIND,
    names=("one", "two", "three"),
)


def draws(settings, times=400):
    chance = torch.Generator().manual_seed(0)
    return [draw_texts(TEXTS, settings, chance).tolist() for _ in range(times)]


def test_draw_texts__reads_one_name_and_all_else_by_default():
    found = draws(FacetDraws())
    assert {tuple(rows) for rows in found} == {
        (0, 2, 3, 4, 5, 6, 7, 8),
        (1, 2, 3, 4, 5, 6, 7, 8),
    }


def test_draw_texts__reads_all_names_where_told():
    assert draws(FacetDraws(one_name=False), 3) == [list(range(9))] * 3


def test_draw_texts__leaves_out_by_chance_but_never_a_whole_finding():
    settings = FacetDraws(appearances=2, drop_name=0.8, drop_definition=0.5, drop_appearance=0.25)
    found = draws(settings)
    named = sum(0 in rows or 1 in rows for rows in found) / len(found)
    defined = sum(2 in rows for rows in found) / len(found)
    looks = sum(len({3, 4, 5} & set(rows)) for rows in found) / len(found)
    assert named == pytest.approx(0.2, abs=0.06)
    assert defined == pytest.approx(0.5, abs=0.08)
    assert looks == pytest.approx(1.5, abs=0.12)
    assert all(6 in rows for rows in found)
    assert all({7, 8} & set(rows) for rows in found)
    assert all(rows == sorted(rows) for rows in found)


def test_draw_texts__is_the_same_for_the_same_state():
    settings = FacetDraws(appearances=1, drop_name=0.5)
    assert draws(settings, 20) == draws(settings, 20)


def test_number_texts__is_equal_for_equal_texts():
    numbers = number_texts(TEXTS).tolist()
    assert numbers[3] == numbers[8]
    assert len(set(numbers)) == 8


def test_facet_vectors__are_computed_every_few_steps_and_survive_a_checkpoint():
    made = []

    def compute():
        made.append(len(made))
        return torch.full((2, 1), float(len(made)), requires_grad=True)

    kept = FacetVectors(3)
    values = [kept.of(step, compute)[0, 0].item() for step in range(5)]
    assert values == [1, 1, 1, 2, 2]
    other = FacetVectors(3)
    other.load(kept.state())
    assert other.of(5, compute)[0, 0].item() == 2
    assert other.of(6, compute)[0, 0].item() == 3
    assert not other.of(6, compute).requires_grad
    assert FacetVectors(3).state() == {}

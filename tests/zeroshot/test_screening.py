"""Screening of prompt sets: hand-worked score, loop oracle, choice, drawing."""

import random

import numpy as np
import pytest

from medvlp.zeroshot import screening
from medvlp.zeroshot.screening import (
    PromptCandidates,
    draw_prompt_sets,
    prompt_set_scores,
    screen_prompt_sets,
    sum_prompt_sets,
)
from medvlp.zeroshot.tiles import tile_cosines
from tests.oracles import tile_scores

EXACT = {"rtol": 0, "atol": 1e-12}


def candidates(seed: int, *, prompts: int = 6, sets: int = 9, classes: int = 3, keep: int = 2):
    rng = np.random.default_rng(seed)
    bank = rng.normal(size=(prompts, 5))
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    rows = rng.integers(0, prompts, size=(sets, classes))
    return PromptCandidates(bank, rows, keep), rng.normal(size=(30, 5))


# Cosines 0.9, 0.3, 0.2: m1 = 0.9, m2 = 0.3, so 0.6 - |1.2 - 1| = 0.4.
def test_prompt_set_scores__match_a_case_worked_by_hand() -> None:
    actual = prompt_set_scores([[0.9, 0.3, 0.2]], [[0, 1, 2], [2, 1, 0]])
    np.testing.assert_allclose(actual, [0.4, 0.4], **EXACT)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_prompt_set_scores__match_explicit_loops(classes: int) -> None:
    found, features = candidates(1, classes=classes)
    bank = found.bank.astype(np.float64)
    actual = prompt_set_scores(tile_cosines(features, bank.T), found.sets)
    expected = [tile_scores.screening_score(features, bank[rows].T) for rows in found.sets]
    np.testing.assert_allclose(actual, expected, **EXACT)


def test_prompt_set_scores__do_not_depend_on_how_tiles_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, features = candidates(2)
    cosines = tile_cosines(features, found.bank.T)
    expected = prompt_set_scores(cosines, found.sets)
    monkeypatch.setattr(screening, "_MAX_CELLS", 20)
    np.testing.assert_allclose(prompt_set_scores(cosines, found.sets), expected, **EXACT)
    columns = screen_prompt_sets(features, found)
    monkeypatch.setattr(screening, "_CHUNK_ROWS", 7)
    np.testing.assert_allclose(screen_prompt_sets(features, found), columns, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("cosines", "sets"), [(np.zeros((0, 3)), [[0, 1]]), (np.zeros((2, 3)), [[0], [1]])]
)
def test_prompt_set_scores__refuse_no_tiles_and_one_class(cosines, sets) -> None:
    with pytest.raises(ValueError, match="sets of at least two classes"):
        prompt_set_scores(cosines, sets)


def test_screen_prompt_sets__adds_up_the_best_sets() -> None:
    found, features = candidates(3, keep=3)
    bank = found.bank.astype(np.float64)
    scores = [tile_scores.screening_score(features, bank[rows].T) for rows in found.sets]
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:3]
    total = sum(bank[found.sets[i]].T for i in best)
    expected = total / np.linalg.norm(total, axis=0)
    np.testing.assert_allclose(screen_prompt_sets(features, found), expected, rtol=0, atol=1e-6)


def test_screen_prompt_sets__uses_all_sets_where_there_are_fewer_than_asked() -> None:
    found, features = candidates(4, keep=100)
    expected = sum_prompt_sets(found.bank, found.sets)
    np.testing.assert_allclose(screen_prompt_sets(features, found), expected, rtol=0, atol=1e-6)


def test_screen_prompt_sets__works_on_a_slide_with_one_tile() -> None:
    found, features = candidates(5)
    assert np.isfinite(screen_prompt_sets(features[:1], found)).all()


def test_sum_prompt_sets__counts_a_repeated_set_twice() -> None:
    bank = np.eye(2)
    actual = sum_prompt_sets(bank, [[0, 0], [0, 0], [1, 0]])
    expected = np.asarray([[2, 3], [1, 0]]) / np.sqrt([5, 9])
    np.testing.assert_allclose(actual, expected, **EXACT)


def test_draw_prompt_sets__follows_the_published_rule_and_leaves_the_global_state_alone() -> None:
    random.seed(11)
    state = random.getstate()
    actual = draw_prompt_sets(12, 5)
    assert random.getstate() == state
    assert actual == [6, 2, 0, 3, 3]

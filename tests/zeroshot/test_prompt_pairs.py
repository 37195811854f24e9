"""Random pairs of prompts, against pairs counted one by one."""

import numpy as np
import pytest

from medvlp.zeroshot.prompt_pairs import draw_prompt_pairs, score_prompt_pairs

RNG = np.random.default_rng(7)
FEATURES = RNG.normal(size=(12, 5))
LABELS = np.asarray([0, 1, 1, -1, 0, 0, 1, 0, 1, -1, 1, 0])
NEGATIVE, POSITIVE = RNG.normal(size=(4, 5)), RNG.normal(size=(3, 5))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def counted_auroc(scores: dict[int, float]) -> float:
    wins = [
        (scores[p] > scores[n]) + 0.5 * (scores[p] == scores[n])
        for p in scores
        for n in scores
        if LABELS[p] == 1 and LABELS[n] == 0
    ]
    return sum(wins) / len(wins)


def test_score_prompt_pairs__rank_known_cases_by_the_difference_of_cosines() -> None:
    found = score_prompt_pairs(FEATURES, LABELS, NEGATIVE, POSITIVE, draws=20, seed=3)
    expected = [
        counted_auroc(
            {
                i: cosine(x, POSITIVE[right]) - cosine(x, NEGATIVE[left])
                for i, x in enumerate(FEATURES)
                if LABELS[i] >= 0
            }
        )
        for left, right in found.pairs
    ]
    np.testing.assert_allclose(found.aurocs, expected, rtol=0, atol=1e-12)
    low, median, high = found.percentiles()
    assert low <= median <= high
    assert median == pytest.approx(float(np.median(expected)))


# The 32-bit outputs of MT19937 seeded with 42 begin 1608637542, 3421126067, 4083286876, 787846414.
# With 4 prompts a draw keeps the two lowest bits: 2, 3, 0, 2; with one prompt it is always 0.
def test_draw_prompt_pairs__follow_the_mersenne_twister() -> None:
    assert draw_prompt_pairs(4, 1, 4).tolist() == [[2, 0], [3, 0], [0, 0], [2, 0]]


def test_draw_prompt_pairs__draw_all_negative_ones_first() -> None:
    assert draw_prompt_pairs(5, 4, 10)[:, 0].tolist() == draw_prompt_pairs(5, 9, 10)[:, 0].tolist()
    assert draw_prompt_pairs(5, 4, 10, seed=1).tolist() != draw_prompt_pairs(5, 4, 10).tolist()


def test_score_prompt_pairs__refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        score_prompt_pairs(FEATURES, LABELS[:-1], NEGATIVE, POSITIVE)

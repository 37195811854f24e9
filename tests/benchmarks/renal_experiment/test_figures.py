"""Figures of a cell by hand, and draws that are the same for all arms."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.renal_experiment.figures import difference, draw_patients, estimate, measure


def aligned(scores: list[float]) -> dict[str, np.ndarray]:
    return {
        "patient": np.array([0, 0, 1, 1, 2]),
        "malignant": np.array([1, -1, 0, 1, 0]),
        "score": np.array(scores),
        "group": np.array([0, 1, 2, 1, 3]),
        "image_to_text": np.array([0, 0, 4, 9, 40]),
        "text_to_image": np.array([0, 6, 0, 9, 40]),
        "months": np.array([10.0, 20.0, 30.0]),
        "event": np.array([1, 1, 0]),
        "risk": np.array([3.0, 1.0, 2.0]),
    }


def test_measure__counts_masses_queries_and_pairs_of_patients() -> None:
    found = measure(aligned([0.5, -9.0, 0.4, 0.3, 0.1]))
    assert found["auroc"] == pytest.approx(3 / 4), "the kidney without a mass is left out"
    assert found["R@1"] == pytest.approx((1 + 0.5 + 0.5) / 5)
    assert found["R@5"] == pytest.approx((1 + 0.5 + 1) / 5)
    assert found["R@10"] == pytest.approx(4 / 5)
    assert found["R@1 repeated"] == pytest.approx(0.25), "two kidneys share report 1"
    assert found["R@1 single"] == pytest.approx(0.5)
    assert found["c_index"] == pytest.approx(2 / 3)


def test_measure__takes_drawn_patients_with_all_their_kidneys() -> None:
    once = measure(aligned([0.5, -9.0, 0.4, 0.3, 0.1]), np.array([0, 0, 1]))
    assert once["R@1"] == pytest.approx((1 + 0.5 + 1 + 0.5 + 0.5 + 0) / 6)
    assert "auroc" not in measure(aligned([0.0] * 5), np.array([2]))


def test_measure__means_over_attributes_that_reports_state() -> None:
    arrays = {
        "patient": np.array([0, 1, 2]),
        "labels": np.array([[0, 1, -1], [0, -1, -1], [1, 0, -1]]),
        "guesses": np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]]),
        "majority": np.array([0, 0, 0]),
        "months": np.array([1.0, 2.0, 3.0]),
        "event": np.array([1, 1, 1]),
        "risk": np.array([3.0, 2.0, 1.0]),
    }
    found = measure(arrays)
    assert found["accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["balanced_accuracy"] == pytest.approx(0.5)
    assert found["accuracy_majority"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["c_index"] == 1


def test_difference__is_paired() -> None:
    one = [aligned([0.5, -9.0, 0.4, 0.3, 0.1]), aligned([0.9, 0, 0.4, 0.7, 0.1])]
    draws = draw_patients([3, 3], 50)
    best = [dict(cell, score=cell["score"]) for cell in one]
    same = difference(estimate(one, draws)["auroc"], estimate(best, draws)["auroc"])
    assert (same.value, same.low, same.high) == (0, 0, 0)
    found = estimate(one, draws)["auroc"][0]
    assert found.by_seed == (75.0, 100.0)
    assert found.value == pytest.approx(87.5)
    assert found.low < found.value <= found.high


def test_draw_patients__draws_seeds_and_then_their_patients() -> None:
    draws = draw_patients([4, 7], 40)
    assert {len(patients) for draw in draws for place, patients in draw if place == 1} == {7}
    assert {place for draw in draws for place, _ in draw} == {0, 1}
    again = draw_patients([4, 7], 40)
    assert all(
        np.array_equal(a[1], b[1])
        for x, y in zip(draws, again, strict=True)
        for a, b in zip(x, y, strict=True)
    )

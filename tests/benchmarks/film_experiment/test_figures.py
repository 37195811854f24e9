"""Areas over pairs of one fold, their intervals, and what counts as missed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.film_experiment.figures import (
    Answers,
    draw_patients,
    find_misses,
    pair_areas,
    summarise,
    table_lines,
)
from medvlp.metrics.ranking import auroc


def made_up(*, strength: float = 2.0, seed: int = 0) -> Answers:
    """120 films of 60 patients in 3 folds and 2 sets."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(60), 2)
    label = rng.integers(0, 2, 120)
    fold = patient % 3
    return Answers(
        label=label,
        fold=fold,
        source=(patient // 3) % 2,
        patient=patient,
        scores={
            "network": strength * label + rng.normal(size=120) + 10.0 * fold,
            "pixels": rng.normal(size=120),
            "blank": 0.25 * fold,
        },
    )


def test_pair_areas__of_one_fold_are_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(1)
    label, scores = rng.integers(0, 2, 50), np.round(rng.normal(size=50), 1)
    weight = rng.integers(0, 3, (50, 4)).astype(float)
    found = pair_areas(label, scores, np.zeros(50, np.int64), weight)
    for draw in range(4):
        rows = np.repeat(np.arange(50), weight[:, draw].astype(int))
        assert found[draw] == pytest.approx(auroc(label[rows], scores[rows]))


def test_pair_areas__do_not_compare_folds() -> None:
    label = np.array([1, 0, 1, 0])
    strata = np.array([0, 0, 1, 1])
    once = np.ones((4, 1))
    found = pair_areas(label, np.array([1.0, 0.0, 11.0, 10.0]), strata, once)
    assert found[0] == 1.0
    assert np.isnan(pair_areas(label[:1], np.ones(1), strata[:1], once[:1])[0])


def test_draw_patients__takes_as_many_of_each_fold_with_all_their_films() -> None:
    answers = made_up()
    weight = draw_patients(answers.patient, answers.fold, 20)
    assert np.array_equal(weight[::2], weight[1::2])
    for fold in range(3):
        assert (weight[answers.fold == fold].sum(0) == 40).all()
    assert len(np.unique(weight, axis=1).T) == 20


def test_summarise__finds_what_is_there_and_leaves_controls_at_chance() -> None:
    figures = summarise({"lateral": made_up(strength=6.0), "ap": made_up(strength=0.0)}, 200)
    lateral = figures["lateral"]["all"]
    assert lateral["network"]["value"] > 0.99
    assert lateral["blank"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    for scopes in figures.values():
        for row in scopes.values():
            assert row["shuffled"]["value"] == pytest.approx(0.5, abs=0.02)
            assert row["pixels"]["low"] < 0.5 < row["pixels"]["high"]
            assert len(row["by_fold"]["network"]) == 3
    assert find_misses(figures) == []
    assert len(table_lines(figures)) == 5


def test_find_misses__says_a_missed_target_and_a_control_off_chance() -> None:
    weak = made_up(strength=1.0)
    leaking = Answers(
        label=weak.label,
        fold=weak.fold,
        source=weak.source,
        patient=weak.patient,
        scores={**weak.scores, "blank": weak.label + 0.0},
    )
    missed = find_misses(summarise({"lateral": leaking}, 50))
    assert any("is below 0.95" in line for line in missed)
    assert any("blank 1.000 to 1.000" in line for line in missed)

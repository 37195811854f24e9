"""The peer reads means over boxes, and learns from stated labels only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.film_experiment.films import QUESTIONS, Film
from benchmarks.film_experiment.pixels import downscale, regress


def test_downscale__takes_means() -> None:
    picture = np.arange(64, dtype=np.float32).reshape(8, 8) / 64
    small = downscale(picture[None], 2)
    assert small.shape == (1, 4)
    assert small[0] == pytest.approx(picture.reshape(2, 4, 2, 4).mean((1, 3)).ravel())


def test_regress__learns_each_question_from_films_that_state_it() -> None:
    rng = np.random.default_rng(0)
    findings = [question.finding for question in QUESTIONS.values()]
    truth = rng.integers(0, 2, (80, 3))
    rows = truth @ rng.normal(size=(3, 16)) * 3 + rng.normal(size=(80, 16)) * 0.3
    films = [
        Film(
            "set",
            Path(f"{number}.png"),
            f"p{number // 2}",
            "",
            {name: int(value) for name, value in zip(findings, own, strict=True) if number % 5},
        )
        for number, own in enumerate(truth)
    ]
    scores, strengths = regress(rows[:60], films[:60], rows[60:], seed=0)
    for place, key in enumerate(QUESTIONS):
        assert np.mean((scores[key] > 0.5) == truth[60:, place]) > 0.9
        assert strengths[key] > 0

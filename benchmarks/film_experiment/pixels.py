"""The peer: logistic regression on downscaled pixels of the same framed pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.film_experiment.films import QUESTIONS
from medvlp.probing.logistic import fit_logistic_probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.film_experiment.films import Film

__all__ = ["downscale", "regress"]


def downscale(pictures: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Return small pictures as rows of means over boxes of pixels, shape ``(N, side * side)``.

    Args:
        pictures: Shape ``(N, S, S)``, float32.
        side: Side of the small ones.
    """
    small = [
        np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))
        for picture in pictures
    ]
    return np.stack(small).reshape(len(small), -1).astype(np.float64)


def regress(
    train: NDArray[np.float64], films: Sequence[Film], test: NDArray[np.float64], seed: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Fit one regression for each question and apply it.

    The strength of the L2 penalty is chosen over patients left out within the training part.

    Args:
        train: Training pictures as rows, shape ``(N, P)``.
        films: The N films, with their labels.
        test: Pictures to judge as rows, shape ``(M, P)``.
        seed: Seed of the inner folds.

    Returns:
        Question -> probability of its finding, shape ``(M,)``; and question -> chosen strength.
    """
    scores, strengths = {}, {}
    for key, question in QUESTIONS.items():
        known = [place for place, film in enumerate(films) if question.finding in film.labels]
        probe = fit_logistic_probe(
            train[known],
            np.array([films[place].labels[question.finding] for place in known], np.int64),
            np.array([films[place].patient for place in known]),
            num_classes=2,
            seed=seed,
        )
        scores[key] = probe.probabilities(test)[:, 1]
        strengths[key] = probe.strength
    return scores, strengths

"""Intervals by resampling: KEEP's published rule, and whole patients with a NumPy generator.

A draw on which the metric has no value (:class:`~medvlp.metrics.samples.UndefinedMetricError`, for
example one class only) is left out and counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Bootstrap", "Metric", "bootstrap_clusters", "bootstrap_keep", "draw_keep"]

Metric = Callable[..., float]
"""Takes the resampled arrays and returns one number."""


@dataclass(frozen=True)
class Bootstrap:
    """Values of a metric over resamples.

    Attributes:
        values: One value per draw on which the metric is defined.
        low: Lower end of the percentile interval.
        median: Median of the values.
        high: Upper end of the percentile interval.
        num_undefined: Draws that were left out.
    """

    values: NDArray[np.float64]
    low: float
    median: float
    high: float
    num_undefined: int


def draw_keep(num_samples: int, seed: int) -> NDArray[np.int64]:
    """Draw samples with replacement by KEEP's rule: ``floor(random() * N)``, Python's generator.

    Args:
        num_samples: N, which is also the number of draws.
        seed: Seed of the generator.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, evaluation scripts of its history.
    """
    generator = random.Random(seed)  # noqa: S311 (a published rule of drawing, no secret)
    return np.asarray(generator.choices(range(num_samples), k=num_samples), dtype=np.int64)


def bootstrap_keep(
    metric: Metric, arrays: Sequence[ArrayLike], *, num_draws: int = 1000, level: float = 0.95
) -> Bootstrap:
    """Bootstrap over samples by KEEP's rule: draw i uses seed i, percentiles at midpoints.

    Args:
        metric: Takes the resampled arrays.
        arrays: Arrays with one entry per sample, all of length N > 0.
        num_draws: Number of draws.
        level: Coverage of the interval.

    Raises:
        UndefinedMetricError: If the metric is defined on no draw.
        ValueError: If the arrays do not fit or a setting is outside its range.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, evaluation scripts of its history; there a draw with one
        class stops the program or gives NaN, here it is left out.
    """
    columns = _check_arrays(arrays)
    draws = (draw_keep(len(columns[0]), seed) for seed in range(num_draws))
    return _summarise(metric, columns, draws, level)


def bootstrap_clusters(
    metric: Metric,
    arrays: Sequence[ArrayLike],
    clusters: ArrayLike,
    *,
    seed: int,
    num_draws: int = 2000,
    level: float = 0.95,
) -> Bootstrap:
    """Bootstrap over whole clusters, such as patients with several slides.

    Each draw takes as many clusters as there are, with replacement, and all samples of each. Draw i
    depends on ``(seed, i)`` only.

    Args:
        metric: Takes the resampled arrays.
        arrays: Arrays with one entry per sample, all of length N > 0.
        clusters: Cluster of each sample, shape ``(N,)``, numbers or texts.
        seed: Seed of NumPy's generator.
        num_draws: Number of draws.
        level: Coverage of the interval.

    Raises:
        UndefinedMetricError: If the metric is defined on no draw.
        ValueError: If the arrays do not fit or a setting is outside its range.

    Source:
        Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x, cluster bootstrap; percentile
        interval of Efron and Tibshirani 1993, chapter 13.
    """
    columns = _check_arrays([*arrays, clusters])
    _, member_of = np.unique(columns.pop(), return_inverse=True)
    order = np.argsort(member_of, kind="stable")
    sizes = np.bincount(member_of)
    starts = np.cumsum(sizes) - sizes

    def draw(index: int) -> NDArray[np.int64]:
        chosen = np.random.default_rng((seed, index)).integers(len(sizes), size=len(sizes))
        lengths = sizes[chosen]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.asarray(order[np.repeat(starts[chosen], lengths) + within])

    return _summarise(metric, columns, (draw(index) for index in range(num_draws)), level)


def _check_arrays(arrays: Sequence[ArrayLike]) -> list[NDArray[np.generic]]:
    columns = [np.asarray(values) for values in arrays]
    lengths = {len(values) if values.ndim else 0 for values in columns}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"arrays must have one common length above 0, got {sorted(lengths)}")
    return columns


def _summarise(
    metric: Metric,
    columns: Sequence[NDArray[np.generic]],
    draws: Iterable[NDArray[np.int64]],
    level: float,
) -> Bootstrap:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    values: list[float] = []
    num_undefined = 0
    for rows in draws:
        try:
            values.append(metric(*(column[rows] for column in columns)))
        except UndefinedMetricError:
            num_undefined += 1
    if not values:
        raise UndefinedMetricError(f"the metric has no value on any of {num_undefined} draws")
    tail = 100 * (1 - level) / 2
    low, median, high = np.percentile(values, [tail, 50, 100 - tail], method="midpoint")
    return Bootstrap(np.asarray(values), float(low), float(median), float(high), num_undefined)

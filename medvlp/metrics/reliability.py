"""How far stated confidences are from what comes true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["binomial_interval", "expected_calibration_error"]


def expected_calibration_error(
    confidences: ArrayLike, is_right: ArrayLike, *, num_bins: int = 10
) -> float:
    """Return the mean distance between confidence and accuracy over bins of confidence.

    ``sum over bins b of n_b / n * |accuracy_b - mean confidence_b|``; the bins are of equal width
    and closed on the right, ``(b / B, (b + 1) / B]``; 0 belongs to the first.

    Args:
        confidences: Probability that each prediction states for itself, shape ``(n,)``, 0 to 1.
        is_right: Whether each prediction is right, shape ``(n,)``.
        num_bins: Number of bins B.

    Raises:
        ValueError: If there are no predictions, shapes differ or a confidence is outside 0 to 1.

    Source:
        Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    stated = np.asarray(confidences, dtype=np.float64)
    right = np.asarray(is_right, dtype=np.float64)
    if stated.ndim != 1 or stated.shape != right.shape or len(stated) == 0 or num_bins < 1:
        raise ValueError(
            f"expected predictions, got shapes {stated.shape} and {right.shape}, {num_bins} bins"
        )
    if not ((stated >= 0) & (stated <= 1)).all():
        raise ValueError("confidences must lie in 0 to 1")
    bins = np.clip(np.ceil(stated * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=right - stated, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(stated))


def binomial_interval(successes: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share.

    Args:
        successes: How many, 0 to ``trials``; a mean over repetitions may be no whole number.
        trials: Out of how many, > 0.
        level: Coverage of the interval.

    Raises:
        ValueError: If the numbers do not fit.

    Source:
        Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404, through beta quantiles.
    """
    if trials < 1 or not 0 <= successes <= trials or not 0 < level < 1:
        raise ValueError(f"no interval for {successes} of {trials} at level {level}")
    tail = (1 - level) / 2
    failures = trials - successes
    low = stats.beta.ppf(tail, successes, failures + 1) if successes > 0 else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, failures) if failures > 0 else 1.0
    return float(low), float(high)

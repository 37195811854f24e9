"""What the runs on phantom tiles add up to, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.keep_experiment.phantom_arms import ARMS
from benchmarks.keep_experiment.statistics import seed_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FINDING", "TARGET", "result_lines", "summarise"]

TARGET = 5.0
"""Points that the group loss is to gain over CLIP at 40 % wrong captions."""

FINDING = (
    "The target is missed. Where wrong captions name any other tissue, there is little to win: "
    "CLIP itself loses about one point from 0 to 40 %, since the right tissue stays nine times as "
    "frequent as any wrong one. The likely reason that groups add nothing: near-duplicates have "
    "near-equal embeddings, so that CLIP averages their captions as a group would. Where captions "
    "name a look-alike, CLIP does suffer, but the group loss does not help: for an image it looks "
    "at the hardest caption of its group, and 87 % of groups of four hold a wrong one (1 - 0.6^4). "
    "What helps there is more regions in a batch: CLIP on shuffled tiles, and the group loss with "
    "two views of twice the regions, gain most over CLIP on batches of four views. Groups help "
    "where they choose captions: with eight views of a region and look-alike errors the group loss "
    "on captions merged by majority gains 14.6 points over CLIP on the same batches (9.3 to 21.4), "
    "9.7 of them without the group loss; CLIP on shuffled tiles, which needs no groups, is the one "
    "to beat there. Tried as remedies: captions merged by majority, no negatives between regions "
    "of one majority label, two views in a batch, eight views, errors of another kind. Majorities "
    "of four captions are right for three regions in four (any tissue) or one in two (look-alike); "
    "the rest are ties or wrong."
)
"""Why the target is missed; written after the final run."""


def summarise(
    records: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    conditions: Sequence[str],
    arms: Sequence[str],
    *,
    num_draws: int = 2000,
) -> dict[str, Any]:
    """Average over seeds, and give intervals over resampled seeds and slides.

    Args:
        records: From :func:`run_arm`.
        seeds: Seeds of the runs.
        conditions: Names of the conditions.
        arms: Arms, the first is what others are compared with.
        num_draws: Number of draws.
    """
    by_seed = seed_weights(len(seeds), num_draws, (3,))
    values = {
        (record["arm"], record["condition"], record["seed"]): _resampled(
            np.array(record["hits"]), record["seed"], num_draws
        )
        for record in records
    }

    def average(arm: str, condition: str) -> NDArray[np.float64]:
        columns = np.stack([values[arm, condition, seed] for seed in seeds], axis=1)
        return np.asarray(100 * (columns * by_seed).sum(axis=1))

    figures: dict[str, Any] = {"arms": {}, "differences_from_clip": {}, "runs": list(records)}
    for condition in conditions:
        for arm in arms:
            if not all((arm, condition, seed) in values for seed in seeds):
                continue
            own = average(arm, condition)
            figures["arms"].setdefault(arm, {})[condition] = _interval(own)
            if arm != "clip" and ("clip", condition, seeds[0]) in values:
                row = figures["differences_from_clip"].setdefault(arm, {})
                row[condition] = _interval(own - average("clip", condition))
    found = figures["differences_from_clip"].get("keep", {}).get("40")
    figures["target"] = {
        "wanted": f"keep - clip >= {TARGET} at 40 % wrong captions, interval above 0",
        "found": found,
        "met": found is not None and found["value"] >= TARGET and found["low"] > 0,
    }
    return figures


def result_lines(figures: dict[str, Any]) -> list[str]:
    """Return the figures as lines of text.

    Args:
        figures: From :func:`summarise`.
    """
    lines = []
    for title in ("arms", "differences_from_clip"):
        for arm, row in figures[title].items():
            cells = [
                f"{condition}: {x['value']:.1f} ({x['low']:.1f} to {x['high']:.1f})"
                for condition, x in row.items()
            ]
            lines.append(f"{title}  {ARMS[arm].title:<22}" + "   ".join(cells))
    target = figures["target"]
    lines.append(f"{'met' if target['met'] else 'MISS'}: {target['wanted']}, {target['found']}")
    return lines


def _resampled(hits: NDArray[np.float64], seed: int, num_draws: int) -> NDArray[np.float64]:
    """Return balanced accuracy on every draw of slides, shape ``(1 + R,)``; the first is as is."""
    count = len(hits)
    drawn = np.random.default_rng((5, seed)).multinomial(count, [1 / count] * count, num_draws)
    weights = np.concatenate([np.ones((1, count)), drawn]) / count
    return np.asarray((weights @ hits).mean(axis=1))


def _interval(draws: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    return {
        "value": round(float(draws[0]), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }

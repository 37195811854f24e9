"""Pictures of a probe: ROC curves, calibration, Kaplan-Meier curves with numbers at risk.

Drawn without a window system and without global state.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from medvlp.metrics.kaplan_meier import KaplanMeier, kaplan_meier
from medvlp.reporting.lettering import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SurvivalGroup", "draw_calibration", "draw_kaplan_meier", "draw_roc"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@dataclass(frozen=True, eq=False)
class SurvivalGroup:
    """Patients whose survival is drawn as one curve.

    Attributes:
        name: Name in the legend.
        months: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, shape ``(N,)``.
    """

    name: str
    months: NDArray[np.float64]
    events: NDArray[np.int64]


def draw_kaplan_meier(groups: Sequence[SurvivalGroup], *, title: str, note: str = "") -> bytes:
    """Draw one step curve per group with its 95 % band, ticks of censoring, and numbers at risk.

    Args:
        groups: The groups; those without patients are left out.
        title: Title.
        note: A line inside the picture, such as the p-value of a log-rank test.

    Returns:
        A PNG file.

    Raises:
        ValueError: If no group has a patient.
    """
    drawn = [group for group in groups if len(group.months)]
    if not drawn:
        raise ValueError("no group has a patient")
    figure = Figure(figsize=(7, 4.6 + 0.25 * len(drawn)), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=[6, 0.5 + 0.5 * len(drawn)], sharex=True)
    end = max(float(group.months.max()) for group in drawn)
    curves = []
    for group, colour in zip(drawn, _cycle(len(drawn)), strict=True):
        curve = kaplan_meier(group.months, group.events)
        curves.append(curve)
        _draw_curve(axes, curve, group, colour)
    axes.set(ylim=(0, 1.02), xlim=(0, end * 1.02), ylabel="survival")
    axes.set_title(shorten(title, 80), fontsize=10)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9, title=note)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= end]
    _draw_at_risk(below, curves, [group.name for group in drawn], ticks)
    return _png(figure)


def draw_roc(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *, title: str) -> bytes | None:
    """Draw ROC curves.

    Args:
        curves: Name to labels (0 or 1) and scores, both of shape ``(N,)``.
        title: Title.

    Returns:
        A PNG file; None where no curve has both classes.
    """
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    names = [name for name, (labels, _) in curves.items() if len(np.unique(labels)) == 2]
    for name, colour in zip(names, _cycle(len(names)), strict=True):
        false_positive, true_positive, _ = roc_curve(*curves[name])
        axes.plot(false_positive, true_positive, color=colour, label=shorten(name, 40))
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.8, ls="--")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.005))
    axes.set_title(shorten(title, 60), fontsize=10)
    if not names:
        return None
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return _png(figure)


def draw_calibration(
    stated: ArrayLike, came_true: ArrayLike, *, title: str, num_bins: int = 10
) -> bytes:
    """Draw how often predictions came true beside the probability that they stated.

    Args:
        stated: Probabilities, shape ``(N,)``, 0 to 1.
        came_true: 0 or 1, shape ``(N,)``.
        title: Title.
        num_bins: Bins of equal width; empty ones are not drawn.

    Returns:
        A PNG file.
    """
    shares, truth = np.asarray(stated, dtype=np.float64), np.asarray(came_true, dtype=np.float64)
    bins = np.clip(np.ceil(shares * num_bins).astype(int) - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    used = counts > 0
    mean = np.bincount(bins, shares, num_bins)[used] / counts[used]
    observed = np.bincount(bins, truth, num_bins)[used] / counts[used]
    figure = Figure(figsize=(4.6, 5.2), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=[5, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.8, ls="--")
    axes.plot(mean, observed, "o-", color=_COLOURS[0])
    axes.set(ylabel="came true", xlim=(0, 1), ylim=(-0.02, 1.02))
    axes.set_title(shorten(title, 60), fontsize=10)
    edges = np.arange(num_bins) / num_bins
    below.bar(edges, counts, width=1 / num_bins, align="edge", color="0.75", edgecolor="white")
    below.set(xlabel="stated probability", ylabel="cases")
    return _png(figure)


def _draw_curve(axes: Axes, curve: KaplanMeier, group: SurvivalGroup, colour: str) -> None:
    times = np.concatenate([[0.0], curve.times])
    values = np.concatenate([[1.0], curve.survival])
    low = np.concatenate([[1.0], np.nan_to_num(curve.low)])
    high = np.concatenate([[1.0], np.nan_to_num(curve.high)])
    label = f"{shorten(group.name, 30)} (n = {len(group.months)}, {int(group.events.sum())} events)"
    axes.step(times, values, where="post", color=colour, label=label)
    axes.fill_between(times, low, high, step="post", color=colour, alpha=0.15, lw=0)
    censored = np.unique(group.months[group.events == 0])
    axes.plot(censored, curve.read(censored), "|", color=colour, ms=6)


def _draw_at_risk(
    axes: Axes, curves: Sequence[KaplanMeier], names: Sequence[str], ticks: Sequence[float]
) -> None:
    """Write the numbers at risk under the ticks, one line per group."""
    for place, (curve, colour) in enumerate(zip(curves, _cycle(len(curves)), strict=True)):
        for tick, count in zip(ticks, curve.read_at_risk(ticks), strict=True):
            axes.text(tick, -place, str(count), color=colour, ha="center", va="center", fontsize=8)
    axes.set(ylim=(-len(curves) + 0.4, 0.6), xlabel="months", xticks=list(ticks))
    axes.set_yticks([-place for place in range(len(curves))], [shorten(n, 14) for n in names])
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="y", pad=12)
    axes.set_title("number at risk", loc="left", fontsize=8)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _cycle(count: int) -> list[str]:
    return [_COLOURS[place % len(_COLOURS)] for place in range(count)]


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()

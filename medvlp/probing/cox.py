"""Cox heads on frozen features: a linear one with a ridge penalty, and a small network.

Letters: N samples, D features, T times of the training part, M times asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from scipy.optimize import minimize

from medvlp.losses.survival import cox_loss
from medvlp.metrics.survival import breslow_baseline, read_curves, survival_curves
from medvlp.probing.folds import inner_folds
from medvlp.probing.scaling import STRENGTHS, Scaling, fit_scaling
from medvlp.probing.survival_targets import check_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from medvlp.losses.survival import Ties
    from medvlp.probing.survival_targets import SurvivalTargets

    Floats = NDArray[np.float64]

__all__ = ["CoxHead", "Scorer", "close_head", "fit_cox_linear"]


class Scorer(Protocol):
    """Maps scaled features ``(N, D)`` to log hazards ``(N,)``, float64."""

    def __call__(self, rows: Floats) -> Floats:
        """Return the log hazards."""
        ...


@dataclass(frozen=True, eq=False)
class CoxHead:
    """A fitted head with its baseline hazard.

    Attributes:
        scaling: What is done to features first.
        scorer: Scaled features to log hazard.
        shift: Mean log hazard of the training part; taken off, so that 0 is an average patient.
        times: Distinct times of the training part, months, shape ``(T,)``.
        hazard: Baseline hazard at each, Breslow's, shape ``(T,)``.
        setting: What was chosen: the strength of the penalty, or the number of steps.
    """

    scaling: Scaling
    scorer: Scorer
    shift: float
    times: Floats
    hazard: Floats
    setting: float

    def log_hazard(self, features: ArrayLike) -> Floats:
        """Return the logarithm of the hazard relative to an average patient, shape ``(N,)``."""
        return np.asarray(self.scorer(self.scaling.apply(features)) - self.shift)

    def survival(self, features: ArrayLike, months: ArrayLike) -> Floats:
        """Return predicted survival at any times, shape ``(M, N)``.

        Before the first training time it is 1; after the last it stays.
        """
        curves = survival_curves(self.hazard, self.log_hazard(features))
        return read_curves(self.times, curves, months)


def fit_cox_linear(
    features: ArrayLike,
    targets: SurvivalTargets,
    groups: NDArray[np.str_],
    *,
    blocks: tuple[int, ...] | None = None,
    seed: int = 0,
    strengths: Sequence[float] = STRENGTHS,
    ties: Ties = "efron",
) -> CoxHead:
    """Fit ``h(t|x) = h0(t) exp(w x)``: ``cox_loss + strength / 2 |w|^2`` on scaled features.

    The strength is the one with the largest cross-validated partial likelihood over left-out
    groups: with the weights of a fold, that of all samples less that of the fitted ones.

    Args:
        features: Training samples, shape ``(N, D)``.
        targets: Times and events.
        groups: Group of each sample, shape ``(N,)``.
        blocks: Number of features of each block; all are one by default.
        seed: Seed of the folds.
        strengths: Weights of the penalty per event to choose from, strongest first.
        ties: Rule for equal times.

    Raises:
        DataError: MV2324 if no sample has an event; MV2326 if all are of one group.

    Source:
        Cox 1972; Verweij and van Houwelingen 1993, doi:10.1002/sim.4780122407 (choice of the
        penalty); Breslow 1972 (baseline).
    """
    check_events(targets.events, "training part")
    rows = np.asarray(features, dtype=np.float64)
    sizes = blocks or (rows.shape[1],)
    months, events = torch.from_numpy(targets.months), torch.from_numpy(targets.events)
    losses = np.zeros(len(strengths))
    folds = inner_folds(targets.events, groups, seed=seed) if len(strengths) > 1 else []
    for train, _ in folds:
        if not targets.events[train].any():
            continue
        scaling = fit_scaling(rows[train], sizes)
        everything = torch.from_numpy(scaling.apply(rows))
        weights = np.zeros(rows.shape[1])
        for place, strength in enumerate(strengths):
            inside = (everything[train], months[train], events[train])
            weights = _minimise(*inside, strength, ties, start=weights, tolerance=1e-5)
            risk = everything @ torch.from_numpy(weights)
            of_all = cox_loss(risk, months, events, ties=ties) * events.sum()
            of_inside = cox_loss(risk[train], *inside[1:], ties=ties) * inside[2].sum()
            losses[place] += float(of_all - of_inside)
    strength = strengths[int(np.argmin(losses))]
    scaling = fit_scaling(rows, sizes)
    scaled = torch.from_numpy(scaling.apply(rows))
    start = np.zeros(rows.shape[1])
    found = _minimise(scaled, months, events, strength, ties, start=start)

    def score(rows: Floats) -> Floats:
        return np.asarray(rows @ found)

    return close_head(scaling, score, rows, targets, strength)


def close_head(
    scaling: Scaling, scorer: Scorer, features: Floats, targets: SurvivalTargets, setting: float
) -> CoxHead:
    """Give a scorer its shift and its baseline hazard, both from the training part.

    Args:
        scaling: What is done to features first.
        scorer: Scaled features to log hazard.
        features: Training samples, shape ``(N, D)``.
        targets: Their times and events.
        setting: What was chosen.
    """
    found = scorer(scaling.apply(features))
    shift = float(found.mean())
    times, hazard = breslow_baseline(targets.months, targets.events, found - shift)
    return CoxHead(scaling, scorer, shift, times, hazard, setting)


def _minimise(
    rows: Tensor,
    months: Tensor,
    events: Tensor,
    strength: float,
    ties: Ties,
    *,
    start: Floats,
    tolerance: float = 1e-9,
) -> Floats:
    """Return the weights with the least penalised loss, shape ``(D,)``; the problem is convex."""

    def loss_and_slope(values: Floats) -> tuple[float, Floats]:
        weights = torch.tensor(values, requires_grad=True)
        loss = cox_loss(rows @ weights, months, events, ties=ties)
        loss = loss + strength / 2 * weights.square().sum()
        (slope,) = torch.autograd.grad(loss, weights)
        return float(loss.detach()), np.asarray(slope.numpy())

    found = minimize(
        loss_and_slope,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "maxfun": 2000, "gtol": tolerance, "ftol": tolerance**1.7},
    )
    return np.asarray(found.x)

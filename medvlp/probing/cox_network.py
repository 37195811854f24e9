"""A small network as Cox head, trained on whole risk sets and stopped by left-out patients.

Letters: N samples, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from medvlp.losses.survival import cox_loss
from medvlp.probing.cox import CoxHead, close_head
from medvlp.probing.folds import inner_folds
from medvlp.probing.scaling import fit_scaling
from medvlp.probing.survival_targets import check_events

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from medvlp.probing.survival_targets import SurvivalTargets

    Floats = NDArray[np.float64]

__all__ = ["CoxNetworkSettings", "fit_cox_network"]


@dataclass(frozen=True, kw_only=True)
class CoxNetworkSettings:
    """Shape and training of the network."""

    hidden: tuple[int, ...] = (128, 128)
    """Width of each hidden layer, ReLU after each."""
    learning_rate: float = 1e-3
    """Of Adam."""
    weight_decay: float = 1e-2
    """L2 penalty, decoupled."""
    max_steps: int = 150
    """Most steps; each takes all training samples, so risk sets are whole."""


def fit_cox_network(
    features: ArrayLike,
    targets: SurvivalTargets,
    groups: NDArray[np.str_],
    *,
    blocks: tuple[int, ...] | None = None,
    seed: int = 0,
    settings: CoxNetworkSettings | None = None,
) -> CoxHead:
    """Fit ``h(t|x) = h0(t) exp(f(x))`` with a network f.

    The number of steps is the one with the least loss per event on left-out groups, mean over
    folds; the network is then trained anew on all samples for as many.

    Args:
        features: Training samples, shape ``(N, D)``.
        targets: Times and events.
        groups: Group of each sample, shape ``(N,)``.
        blocks: Number of features of each block; all are one by default.
        seed: Seed of folds and weights; the state of the global generator is left as it was.
        settings: Shape and training.

    Raises:
        DataError: MV2324 if no sample has an event; MV2326 if all are of one group.

    Source:
        Katzman et al. 2018, doi:10.1186/s12874-018-0482-1; RenalCLIP,
        github.com/dt-yuhui/RenalCLIP, has 512-128-128-1 with ReLU.
    """
    check_events(targets.events, "training part")
    chosen = settings or CoxNetworkSettings()
    rows = np.asarray(features, dtype=np.float64)
    sizes = blocks or (rows.shape[1],)
    total, num_folds = np.zeros(chosen.max_steps), 0
    for train, held in inner_folds(targets.events, groups, seed=seed):
        if not targets.events[train].any() or not targets.events[held].any():
            continue
        scaling = fit_scaling(rows[train], sizes)
        _, losses = _train(
            _tensors(scaling.apply(rows[train]), targets, train),
            chosen,
            steps=chosen.max_steps,
            seed=seed,
            held=_tensors(scaling.apply(rows[held]), targets, held),
        )
        total += losses
        num_folds += 1
    steps = int(np.argmin(total)) + 1 if num_folds else chosen.max_steps
    scaling = fit_scaling(rows, sizes)
    whole = _tensors(scaling.apply(rows), targets, np.arange(len(rows)))
    network, _ = _train(whole, chosen, steps=steps, seed=seed)

    def score(rows: Floats) -> Floats:
        with torch.no_grad():
            return np.asarray(network(_widen(rows))[:, 0].numpy(), dtype=np.float64)

    return close_head(scaling, score, rows, targets, float(steps))


def _widen(scaled: Floats) -> Tensor:
    """Return features of variance near 1 each, as a fresh network expects them, float32."""
    return torch.from_numpy(scaled * np.sqrt(scaled.shape[1])).float()


def _tensors(
    scaled: Floats, targets: SurvivalTargets, places: NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor]:
    months, events = targets.months[places], targets.events[places]
    return _widen(scaled), torch.from_numpy(months), torch.from_numpy(events)


def _train(
    samples: tuple[Tensor, Tensor, Tensor],
    settings: CoxNetworkSettings,
    *,
    steps: int,
    seed: int,
    held: tuple[Tensor, Tensor, Tensor] | None = None,
) -> tuple[nn.Sequential, Floats]:
    """Train a network; return it and the loss on held samples after each step."""
    rows, months, events = samples
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build(rows.shape[1], settings.hidden)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    losses = np.zeros(steps)
    for step in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(cox_loss(network(rows)[:, 0], months, events, ties="efron"))
        optimizer.step()
        if held is not None:
            with torch.no_grad():
                found = cox_loss(network(held[0])[:, 0], *held[1:], ties="efron")
            losses[step] = float(found)
    return network, losses


def _build(num_features: int, hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(num_features, width), nn.ReLU()]
        num_features = width
    return nn.Sequential(*layers, nn.Linear(num_features, 1, bias=False))

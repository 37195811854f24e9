"""Cox partial likelihood over the joined batch, with Breslow's or Efron's rule for ties.

Letters: B samples of this rank; N samples of all ranks, sorted by time, latest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from medvlp.distributed import all_gather_with_grad
from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ties", "cox_loss"]

Ties = Literal["breslow", "efron", "order"]


@outside_autocast
def cox_loss(
    log_hazard: Tensor,
    durations: Tensor,
    events: Tensor,
    *,
    ties: Ties = "breslow",
    epsilon: float = 0.0,
) -> Tensor:
    """Negative log partial likelihood per event.

    With the risk set ``R(t)`` of all samples whose time is at least t, and ``A(t) = LSE_R(t)(h)``:

    - breslow: ``-(1/E) sum_events [h_i - A(t_i)]``;
    - efron: for the d events tied at t, the l-th (from 0) sees the tied events partly gone:
      ``log(exp A(t) - (l/d) sum_tied exp h)`` in place of ``A(t)``;
    - order: the risk set of a sample is what stands at or before it once sorted by time, latest
      first and otherwise as given, so the value depends on the order inside ties.

    The risk set is that of the joined batch: all ranks' samples compete.

    Args:
        log_hazard: Logarithm of the relative hazard, shape ``(B,)``, float; no shift changes the
            value.
        durations: Time of the event or of censoring, any unit, shape ``(B,)``, finite.
        events: 1 where the event was seen, 0 where censored, shape ``(B,)``, integer or bool.
        ties: Rule for equal times.
        epsilon: Added inside the logarithm, relative to the largest hazard; the published value is
            1e-7 and is wrong by several units once hazards spread over ``exp(16)``. For ``order``
            only.

    Returns:
        Scalar, fp32 or the wider dtype of ``log_hazard``; 0 where nothing happened to anyone.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), events other than 0 and 1 (MV1853), wrong kinds of numbers (MV1854).
        ValueError: If ``epsilon`` is given with another rule than ``order``, or is negative.

    Source:
        Cox 1972, J. R. Stat. Soc. B 34(2); Breslow 1974, Biometrics 30(1); Efron 1977, JASA
        72(359). ``order`` with ``epsilon=1e-7`` is the loss of pycox 0.3.0, which RenalCLIP uses; a
        batch without an event gives 0 here and NaN there.
    """
    if epsilon < 0 or (epsilon > 0 and ties != "order"):
        msg = f"epsilon belongs to ties='order' and is >= 0, got {epsilon} with ties={ties!r}"
        raise ValueError(msg)
    check_shape("log_hazard", log_hazard, (None,))
    check_shape("durations", durations, log_hazard.shape)
    check_shape("events", events, log_hazard.shape)
    check_dtype("log_hazard", log_hazard, floating=True)
    check_dtype("events", events, floating=False)
    counts = check_rows(
        log_hazard.shape[0],
        [
            finite("log_hazard", log_hazard),
            finite("durations", durations),
            within("events", events, 0, 1),
        ],
    )
    all_durations = all_gather_with_grad(durations.detach(), counts)
    order = torch.argsort(all_durations, descending=True, stable=True)
    time = all_durations[order]
    happened = all_gather_with_grad(events, counts)[order].bool()
    h = all_gather_with_grad(in_full_precision(log_hazard), counts)[order]
    risk = _log_risk(h, time, happened, ties, epsilon)
    return torch.where(happened, risk - h, 0.0).sum() / happened.sum().clamp(min=1)


def _log_risk(h: Tensor, time: Tensor, happened: Tensor, ties: Ties, epsilon: float) -> Tensor:
    """Return the logarithm of each sample's risk set, shape ``(N,)``."""
    running = h.logcumsumexp(0)
    if ties == "order":
        if epsilon == 0:
            return running
        return torch.logaddexp(running, h.max() + torch.log(h.new_tensor(epsilon)))
    last_of_tie = torch.searchsorted(-time, -time, right=True) - 1
    full = running[last_of_tie]
    return full if ties == "breslow" else full + _efron_correction(h, full, last_of_tie, happened)


def _efron_correction(h: Tensor, full: Tensor, tie: Tensor, happened: Tensor) -> Tensor:
    """Return ``log(1 - (l/d) sum_tied exp h / exp A)`` per sample, shape ``(N,)``.

    ``tie`` is any number that samples with one time share, in ``[0, N)``.
    """
    tied_share = h.new_zeros(h.shape).index_add(0, tie, (h - full).exp() * happened)
    deaths = happened.to(h.dtype)
    num_deaths = h.new_zeros(h.shape).index_add(0, tie, deaths)
    before = deaths.cumsum(0) - deaths
    first_before = h.new_full(h.shape, torch.inf).scatter_reduce(0, tie, before, "amin")
    fraction = (before - first_before[tie]) / num_deaths[tie].clamp(min=1)
    return torch.log1p(-fraction * tied_share[tie] * happened)

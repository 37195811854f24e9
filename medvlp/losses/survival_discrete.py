"""Survival in time bins: negative log-likelihood of hazards per bin (mSTAR and its kin).

Letters: B samples of this rank, T time bins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "discrete_risk",
    "hazards_and_survival",
    "survival_cross_entropy_loss",
    "survival_nll_loss",
]


@outside_autocast
def survival_nll_loss(
    logits: Tensor,
    bins: Tensor,
    censored: Tensor,
    *,
    uncensored_weight: float = 0.0,
    floor: float = 0.0,
) -> Tensor:
    """Negative log-likelihood of an event in a bin, or of surviving a bin.

    Hazards ``h = sigmoid(z)``, survival ``S_t = prod_{u<=t}(1 - h_u)``, ``S_-1 = 1``, bin y:
    ``U = -(1 - c)(log S_{y-1} + log h_y)``, ``Z = -c log S_y``; the mean over the joined batch of
    ``(1 - a)(U + Z) + a U``. Logarithms are taken of logits, so that no hazard underflows.

    Args:
        logits: Hazard logits, shape ``(B, T)``, float.
        bins: Bin of the event or of censoring, shape ``(B,)``, integer in ``[0, T)``.
        censored: 1 censored, 0 event seen, shape ``(B,)``, integer or bool.
        uncensored_weight: The ``a`` above, in [0, 1]; the authors use 0.
        floor: Smallest probability inside a logarithm; the published program has 1e-7, which also
            stops the gradient there. 0 needs none.

    Returns:
        Scalar, fp32 or the wider dtype of ``logits``.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), bins or flags out of range (MV1853), wrong kinds of numbers (MV1854).
        ValueError: If ``uncensored_weight`` or ``floor`` is outside [0, 1].

    Source:
        Zadeh and Schmid 2020, IEEE TPAMI 43(9), doi:10.1109/TPAMI.2020.2979450, as used by mSTAR
        (Xu et al. 2025, doi:10.1038/s41467-025-66220-x).
    """
    _check_inputs(logits, bins, censored, (uncensored_weight, floor))
    log_event, log_before, log_after = (
        _at_least(log_p, floor) for log_p in _log_probabilities(logits, bins)
    )
    is_censored = censored.bool()
    seen = torch.where(is_censored, 0.0, -(log_before + log_event))
    survived = torch.where(is_censored, -log_after, 0.0)
    losses = (1 - uncensored_weight) * (seen + survived) + uncensored_weight * seen
    return joined_mean(losses, torch.ones_like(losses))


@outside_autocast
def survival_cross_entropy_loss(
    logits: Tensor,
    bins: Tensor,
    censored: Tensor,
    *,
    likelihood_weight: float = 0.0,
    floor: float = 0.0,
) -> Tensor:
    """Cross-entropy of having survived the bin, mixed with the likelihood of the event.

    With S, h, c and y as in :func:`survival_nll_loss`: the mean over the joined batch of
    ``(1 - a)[-c log S_y - (1 - c) log(1 - S_y)] + a U``. ``log(1 - S)`` is taken from ``log S``, so
    that it stays finite where a sample almost surely survives.

    Args:
        logits: Hazard logits, shape ``(B, T)``, float.
        bins: Bin of the event or of censoring, shape ``(B,)``, integer in ``[0, T)``.
        censored: 1 censored, 0 event seen, shape ``(B,)``, integer or bool.
        likelihood_weight: The ``a`` above, in [0, 1].
        floor: Smallest probability inside a logarithm, and what is added to ``S_{y-1}`` inside U;
            the published program has 1e-7 and is infinite where ``S = 1``. 0 needs none.

    Returns:
        Scalar, fp32 or the wider dtype of ``logits``.

    Raises:
        LossError: As :func:`survival_nll_loss`.
        ValueError: If ``likelihood_weight`` or ``floor`` is outside [0, 1].

    Source:
        The second survival loss of mSTAR (Xu et al. 2025, doi:10.1038/s41467-025-66220-x).
    """
    _check_inputs(logits, bins, censored, (likelihood_weight, floor))
    log_event, log_before, log_after = _log_probabilities(logits, bins)
    if floor > 0:
        log_before = torch.logaddexp(log_before, torch.log(log_before.new_tensor(floor)))
    log_after = _at_least(log_after, floor)
    is_censored = censored.bool()
    log_failed = torch.log(-torch.expm1(log_after.clamp(max=-torch.finfo(log_after.dtype).tiny)))
    entropy = torch.where(is_censored, -log_after, -log_failed)
    seen = torch.where(is_censored, 0.0, -(log_before + log_event))
    losses = (1 - likelihood_weight) * entropy + likelihood_weight * seen
    return joined_mean(losses, torch.ones_like(losses))


def hazards_and_survival(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hazard of each bin and the probability of surviving it.

    Args:
        logits: Hazard logits, shape ``(B, T)``, float.

    Returns:
        ``h = sigmoid(logits)`` and ``S_t = prod_{u<=t}(1 - h_u)``, both of shape ``(B, T)``, in
        [0, 1].

    Source:
        As :func:`survival_nll_loss`.
    """
    z = in_full_precision(logits)
    return z.sigmoid(), functional.logsigmoid(-z).cumsum(-1).exp()


def discrete_risk(logits: Tensor) -> Tensor:
    """Return ``-sum_t S_t``, higher where the event comes sooner.

    Args:
        logits: Hazard logits, shape ``(B, T)``, float.

    Returns:
        Shape ``(B,)``, from ``-T`` (survives all bins) to 0.

    Source:
        mSTAR (Xu et al. 2025, doi:10.1038/s41467-025-66220-x), the score its concordance uses.
    """
    return -hazards_and_survival(logits)[1].sum(-1)


def _check_inputs(
    logits: Tensor, bins: Tensor, censored: Tensor, fractions: tuple[float, float]
) -> None:
    if any(not 0 <= fraction <= 1 for fraction in fractions):
        msg = f"the weight and the floor must be in [0, 1], got {fractions}"
        raise ValueError(msg)
    check_shape("logits", logits, (None, None))
    check_shape("bins", bins, logits.shape[:1])
    check_shape("censored", censored, logits.shape[:1])
    check_dtype("logits", logits, floating=True)
    check_dtype("bins", bins, floating=False)
    check_dtype("censored", censored, floating=False)
    checks = [
        finite("logits", logits),
        within("bins", bins, 0, logits.shape[1] - 1),
        within("censored", censored, 0, 1),
    ]
    check_rows(logits.shape[0], checks)


def _log_probabilities(logits: Tensor, bins: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``log h_y``, ``log S_{y-1}`` and ``log S_y``, each of shape ``(B,)``."""
    z = in_full_precision(logits)
    log_survival = functional.pad(functional.logsigmoid(-z).cumsum(-1), (1, 0))
    y = bins.long().unsqueeze(-1)
    picked = (functional.logsigmoid(z).gather(-1, y), log_survival.gather(-1, y))
    return picked[0].squeeze(-1), picked[1].squeeze(-1), log_survival.gather(-1, y + 1).squeeze(-1)


def _at_least(log_probability: Tensor, floor: float) -> Tensor:
    return log_probability.clamp(min=math.log(floor)) if floor > 0 else log_probability

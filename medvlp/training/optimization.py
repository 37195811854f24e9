"""How weights are changed: AdamW over groups of weights, and a rate that warms up and decays."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "OptimizerSettings",
    "RateSettings",
    "ScheduleSettings",
    "build_optimizer",
    "learning_rate_factor",
]

Momentum = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
_WARMUP_SHARE = 0.1
_NO_SHARES: Mapping[str, float] = MappingProxyType({})


class RateSettings(StrictModel):
    """A learning rate of their own for some weights.

    Attributes:
        pattern: Names of the weights, ``*`` for any text, such as ``image_tower.*``.
        learning_rate: Their largest learning rate.
    """

    pattern: Annotated[str, Field(min_length=1)]
    learning_rate: Rate


class OptimizerSettings(StrictModel):
    """AdamW.

    Attributes:
        learning_rate: Largest learning rate, after the warm-up.
        weight_decay: Decay of matrices and filters; vectors and the logit scale have none.
        beta1: Momentum of the gradient.
        beta2: Momentum of its square.
        epsilon: Added to the root of the square.
        rates: Weights with another learning rate; no weight may be named by two patterns.
        layer_decay: Share of the learning rate from each layer of a tower to the one before it; 1
            gives all layers the same.
        fused: Whether one kernel changes many weights; None does so on a GPU, but not with fp16.
    """

    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.05
    beta1: Momentum = 0.9
    beta2: Momentum = 0.98
    epsilon: Annotated[float, Field(gt=0, le=0.1)] = 1e-6
    rates: tuple[RateSettings, ...] = ()
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    fused: bool | None = None


class ScheduleSettings(StrictModel):
    """Linear warm-up, then half a cosine.

    Attributes:
        warmup_share: Share of all steps until the largest learning rate is reached; 0.1 where no
            warm-up is given at all.
        warmup_epochs: The same in epochs; one of the two is given.
        last_share: Learning rate of the last step, as a share of the largest.
        least_rate: Learning rate that weights do not go below after the warm-up, unless theirs is
            smaller all along.
    """

    warmup_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    warmup_epochs: Annotated[float, Field(ge=0)] | None = None
    last_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    least_rate: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _check_warmup(self) -> ScheduleSettings:
        if self.warmup_share is not None and self.warmup_epochs is not None:
            raise rule_error(
                "MV1002",
                f"warmup_share={self.warmup_share} and warmup_epochs={self.warmup_epochs} are both "
                "given",
                expected="one of them",
            )
        return self

    def last_share_of(self, learning_rate: float) -> float:
        """Return the learning rate of the last step as a share of the largest.

        Args:
            learning_rate: The largest, above 0.
        """
        return max(self.last_share, min(self.least_rate / learning_rate, 1.0))

    def warmup_steps(self, total_steps: int, steps_per_epoch: int) -> int:
        """Return the number of steps until the largest learning rate.

        Args:
            total_steps: Number of steps of the run.
            steps_per_epoch: Number of steps of an epoch.
        """
        if self.warmup_epochs is not None:
            return round(self.warmup_epochs * steps_per_epoch)
        share = _WARMUP_SHARE if self.warmup_share is None else self.warmup_share
        return round(share * total_steps)


def learning_rate_factor(
    step: int,
    total_steps: int,
    settings: ScheduleSettings,
    *,
    steps_per_epoch: int | None = None,
    last_share: float | None = None,
) -> float:
    """Return the learning rate of a step as a share of the largest.

    Args:
        step: Number of steps done before it, from 0.
        total_steps: Number of steps of the run.
        settings: Warm-up and end.
        steps_per_epoch: Number of steps of an epoch; None where the run is a single one.
        last_share: Share of the last step; None for that of the settings.
    """
    warmup = settings.warmup_steps(total_steps, steps_per_epoch or total_steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(total_steps - warmup - 1, 1), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    last = settings.last_share if last_share is None else last_share
    return last + (1.0 - last) * cosine


def build_optimizer(
    module: torch.nn.Module,
    settings: OptimizerSettings,
    *,
    further: Iterable[tuple[str, torch.nn.Parameter]] = (),
    shares: Mapping[str, float] = _NO_SHARES,
    fused: bool = False,
) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on parameters of two or more axes only.

    Every parameter is in exactly one group.

    Args:
        module: Whose parameters; those without a gradient are left out.
        settings: The optimiser's settings.
        further: Parameters beside the module, such as those of the objective, by name.
        shares: Share of their learning rate that parameters have, by name; 1 for the others.
        fused: Whether one kernel changes many weights.

    Raises:
        ConfigError: If a pattern names no parameter (MV2041), or two name the same (MV2042).
    """
    named = {n: p for n, p in (*module.named_parameters(), *further) if p.requires_grad}
    chosen = _rates(list(named), settings)
    rates = {n: chosen.get(n, settings.learning_rate) * shares.get(n, 1.0) for n in named}
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for decays in (True, False):
        for rate in dict.fromkeys((settings.learning_rate, *chosen.values(), *rates.values())):
            groups[rate, decays] = []
    for name, parameter in named.items():
        groups[rates[name], parameter.ndim >= 2].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": params, "lr": rate, "weight_decay": settings.weight_decay * decays}
            for (rate, decays), params in groups.items()
            if params
        ],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=fused or None,
    )
    # else Lightning takes it that the step itself unscales gradients, and refuses to clip them
    vars(optimizer)["_step_supports_amp_scaling"] = False
    return optimizer


def _rates(names: list[str], settings: OptimizerSettings) -> dict[str, float]:
    """Return the learning rate of every parameter that a pattern names."""
    owner: dict[str, RateSettings] = {}
    for chosen in settings.rates:
        matched = [name for name in names if fnmatchcase(name, chosen.pattern)]
        if not matched:
            raise ConfigError(
                "MV2041",
                f"optimizer.rates: pattern {chosen.pattern!r} names no weight"
                f"{nearest_name(chosen.pattern, names)}",
                expected=f"a pattern for names such as {names[:3]}",
            )
        twice = [name for name in matched if name in owner]
        if twice:
            raise ConfigError(
                "MV2042",
                f"optimizer.rates: {twice[0]!r} is named by {owner[twice[0]].pattern!r} and by "
                f"{chosen.pattern!r}",
                expected="one pattern for a weight at most",
            )
        owner |= dict.fromkeys(matched, chosen)
    return {name: chosen.learning_rate for name, chosen in owner.items()}

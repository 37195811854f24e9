"""How weights are changed: AdamW over two groups, and a learning rate that warms up and decays."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel

__all__ = [
    "OptimizerSettings",
    "ScheduleSettings",
    "build_optimizer",
    "learning_rate_factor",
]

Momentum = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(StrictModel):
    """AdamW.

    Attributes:
        learning_rate: Largest learning rate, after the warm-up.
        weight_decay: Decay of matrices and filters; vectors and the logit scale have none.
        beta1: Momentum of the gradient.
        beta2: Momentum of its square.
        epsilon: Added to the root of the square.
    """

    learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.05
    beta1: Momentum = 0.9
    beta2: Momentum = 0.98
    epsilon: Annotated[float, Field(gt=0, le=0.1)] = 1e-6


class ScheduleSettings(StrictModel):
    """Linear warm-up, then half a cosine.

    Attributes:
        warmup_share: Share of all steps until the largest learning rate is reached.
        last_share: Learning rate of the last step, as a share of the largest.
    """

    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    last_share: Annotated[float, Field(ge=0, le=1)] = 0.0


def learning_rate_factor(step: int, total_steps: int, settings: ScheduleSettings) -> float:
    """Return the learning rate of a step as a share of the largest.

    Args:
        step: Number of steps done before it, from 0.
        total_steps: Number of steps of the run.
        settings: Warm-up and end.
    """
    warmup = round(settings.warmup_share * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(total_steps - warmup - 1, 1), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    return settings.last_share + (1.0 - settings.last_share) * cosine


def build_optimizer(module: torch.nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on parameters of two or more axes only.

    Args:
        module: Whose parameters; those without a gradient are left out.
        settings: The optimiser's settings.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
    )

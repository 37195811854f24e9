"""When the state of a run is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medvlp.config.strict import StrictModel

__all__ = ["CheckpointSettings"]


class CheckpointSettings(StrictModel):
    """When the state of a run is kept.

    A state is copied at the end of a step and written while training goes on. One that falls due
    while the one before it is being written is put off until that is on the disk. When the run is
    asked to stop, it waits for its state.

    Attributes:
        every_steps: Optimiser steps between two states; None leaves it to the clock.
        every_minutes: Minutes between two states; None leaves it to the steps.
        keep: How many states stay; the older ones are removed after a newer one is on the disk.
        failures_allowed: How many states in a row may fail to reach the disk before the run ends;
            each is told of, and the next one is tried when it is due.
        look_every: Steps between two looks at whether any rank was asked to stop.
    """

    every_steps: Annotated[int, Field(ge=1)] | None = None
    every_minutes: Annotated[float, Field(gt=0)] | None = 10.0
    keep: Annotated[int, Field(ge=1)] = 2
    failures_allowed: Annotated[int, Field(ge=0)] = 2
    look_every: Annotated[int, Field(ge=1)] = 1

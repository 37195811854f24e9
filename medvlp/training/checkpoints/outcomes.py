"""What became of the states that are written in the background, told once it is known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medvlp.errors import MedvlpError
    from medvlp.training.checkpoints.plugin import StateFolders

__all__ = ["SaveOutcomes"]

logger = logging.getLogger(__name__)


class SaveOutcomes:
    """Follows the states of one run to the disk.

    Args:
        plugin: What writes them.
        failures_allowed: How many may fail in a row.

    Attributes:
        failure: Why the last state is not on the disk, else None.
        step_on_disk: Step of the newest state that is; None where there is none.
    """

    def __init__(self, plugin: StateFolders, failures_allowed: int) -> None:
        self.failure: MedvlpError | None = None
        self.step_on_disk: int | None = None
        self._plugin = plugin
        self._allowed = failures_allowed
        self._num_failures = 0
        self._step: int | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether more states have failed in a row than may."""
        return self._num_failures > self._allowed

    def expect(self, step: int) -> None:
        """Note that a state is being written.

        Args:
            step: Its step.
        """
        self._step = step

    def look(self) -> None:
        """Tell of the state that was being written, if it no longer is."""
        if self._step is None or self._plugin.is_writing:
            return
        step, self._step = self._step, None
        self.failure = self._plugin.finish()
        if self.failure is None:
            self._num_failures, self.step_on_disk = 0, step
            return
        self._num_failures += 1
        logger.error("the state of step %d is not kept: %s", step, self.failure)

    def wait(self) -> None:
        """Wait for the state that is being written, and tell of it."""
        self._plugin.wait()
        self.look()

"""Leases: which process works on which item, on one host or on many that share a drive.

A lease is filelock's soft lease: a marker file that its holder refreshes. A holder of this host
that no longer runs is replaced at once; a holder elsewhere when its marker has not changed for
``stale_s`` of the waiting process's own clock. A lease is a hint and not a proof: a holder that
slept too long may go on beside its successor. So results are published by a step that only one
process can win.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from medvlp.errors import UsageError
from medvlp.io import output_errors

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import LeaseCompromise

__all__ = ["ItemLease", "LeaseSettings"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseSettings:
    """How long a silent process counts as alive; equal in all processes of one folder.

    Attributes:
        heartbeat_s: Time between two signs of life, in seconds.
        stale_s: Silence after which another host may take over, in seconds; at least twice
            ``heartbeat_s``, as one sign may be late.
    """

    heartbeat_s: float = 30.0
    stale_s: float = 90.0

    def __post_init__(self) -> None:
        """Refuse settings under which live processes would lose their leases."""
        if not 0 < 2 * self.heartbeat_s <= self.stale_s:
            raise ValueError(
                f"stale_s must be at least twice heartbeat_s and both above 0, got "
                f"heartbeat_s={self.heartbeat_s}, stale_s={self.stale_s}"
            )


class ItemLease:
    """The lease of one item; keep the object while waiting, as it watches the other holder.

    Args:
        path: The marker file; its folder exists.
        settings: When a silent holder may be replaced.
    """

    def __init__(self, path: Path, settings: LeaseSettings) -> None:
        """Prepare a lease; nothing is written before it is asked for."""
        self._path = path
        self._lease = SoftFileLease(
            path,
            lease_duration=settings.stale_s,
            heartbeat_interval=settings.heartbeat_s,
            on_compromise=_tell_of_loss,
        )

    def acquire(self) -> bool:
        """Take the lease if nobody alive holds it; never wait.

        Returns:
            Whether this process holds it now.

        Raises:
            UsageError: MV1606 if the holder uses other settings.
            OutputError: MV1104 to MV1106 if the marker cannot be written.
        """
        try:
            with output_errors(self._path):
                return self._acquire_now()
        except LeaseSettingsMismatch as error:
            raise UsageError(
                "MV1606",
                f"{self._path} is held under other lease settings ({error})",
                expected="the same lease settings in all processes that share a folder",
                hint="use the same version and settings everywhere, or wait for the other run",
            ) from error

    def _acquire_now(self) -> bool:
        try:
            self._lease.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Give the lease back; harmless where it was lost or never held."""
        self._lease.release()


def _tell_of_loss(loss: LeaseCompromise) -> None:
    logger.warning(
        "lost the lease %s (%s): another process may work on the same item",
        loss.lock_file,
        loss.reason,
    )

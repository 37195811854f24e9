"""Leases: which process works on which item, on one host or on many that share a drive.

A lease is filelock's soft lease: a marker file that its holder refreshes. A holder of this host
that no longer runs is replaced at once; a holder elsewhere when its marker has not changed for
``stale_s`` of the waiting process's own clock. A lease is a hint and not a proof: a holder that
slept too long may go on beside its successor. So results are published by a step that only one
process can win.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from medvlp.errors import UsageError
from medvlp.io import output_errors

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import LeaseCompromise

__all__ = ["ItemLease", "LeaseSettings", "remove_abandoned"]

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
        self._stale_s = settings.stale_s
        self._empty_since: tuple[tuple[int, int], float] | None = None
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
                return self._acquire_now() or (self._break_empty() and self._acquire_now())
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

    def _break_empty(self) -> bool:
        # A holder killed between making its marker and writing into it leaves an empty one,
        # which filelock treats as held for ever.
        marker = _identity_if_empty(self._path)
        now = time.monotonic()
        if marker is None or self._empty_since is None or self._empty_since[0] != marker:
            self._empty_since = marker and (marker, now)
            return False
        if now - self._empty_since[1] < self._stale_s:
            return False
        self._empty_since = None
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):
            self._path.rename(aside)
            if _identity_if_empty(aside) != marker:
                # Another process was faster and this is its marker: put it back.
                with suppress(FileExistsError):
                    os.link(aside, self._path)
            aside.unlink()
        return True

    def release(self) -> None:
        """Give the lease back; harmless where it was lost or never held."""
        self._lease.release()


def remove_abandoned(folder: Path, settings: LeaseSettings) -> None:
    """Remove markers in a folder whose holders are known to be gone.

    Args:
        folder: Folder of markers ``*.lease``.
        settings: The settings of the run.

    Raises:
        OutputError: MV1104 to MV1106 if the folder cannot be read or changed.
    """
    with output_errors(folder):
        markers = sorted(folder.glob("[!.]*.lease"))
    for marker in markers:
        lease = ItemLease(marker, settings)
        if lease.acquire():
            lease.release()


def _identity_if_empty(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return None if found.st_size else (found.st_ino, found.st_mtime_ns)


def _tell_of_loss(loss: LeaseCompromise) -> None:
    logger.warning(
        "lost the lease %s (%s): another process may work on the same item",
        loss.lock_file,
        loss.reason,
    )

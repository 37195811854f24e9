"""A map over items that resumes, shares the items among processes, and fails one item at a time.

    for each item, again and again until every item has an outcome:
        done already (``is_done``)?           -> reused
        leased by a process that is alive?    -> look again later
        otherwise take the lease, look once more, work, give the lease back

Everything that a run keeps lies in one folder: ``journal/`` (what happened), ``leases/`` (who works
on what) and ``logs/`` (tracebacks). Items are published by the work itself, through ``medvlp.io``,
so a kill at any moment loses at most the item in hand.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Generic, TypeVar

from medvlp.errors import MedvlpError, OutputError, WorkerError
from medvlp.io import (
    AlreadyPublishedError,
    check_output_folder,
    full_disk_errors,
    is_safe_key,
    output_errors,
    publish_file,
)
from medvlp.jobs.interruption import Interruption
from medvlp.jobs.journal import Journal
from medvlp.jobs.leases import ItemLease, LeaseSettings, remove_abandoned
from medvlp.jobs.outcomes import JobItem, JobReport, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medvlp.jobs.progress import ProgressSink

__all__ = ["JobItem", "JobReport", "LeaseSettings", "Outcome", "Status", "run_items"]

T = TypeVar("T")

_DEFAULT_LEASE = LeaseSettings()
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


def run_items(
    items: Sequence[JobItem[T]],
    work: Callable[[JobItem[T], Callable[[str], None]], None],
    *,
    is_done: Callable[[JobItem[T]], bool],
    state_folder: Path,
    progress: ProgressSink,
    retries: int = 0,
    lease: LeaseSettings = _DEFAULT_LEASE,
) -> JobReport:
    """Work on every item that is not done, once among all processes that share the folder.

    The work publishes its result as a whole (``publish_file(..., replace=False)`` where two
    processes must never both succeed); losing that race counts as done by the other. An error is
    the failure of its item only, except where the output cannot be written: then every item would
    fail alike. SIGINT and SIGTERM give the lease back and leave as KeyboardInterrupt.

    Args:
        items: What to do; keys are unique and safe in a file system.
        work: Called with an item and a function that notes the stage it has reached.
        is_done: Whether a valid result of the item exists; may raise MedvlpError, which fails the
            item.
        state_folder: Folder of journal, leases and logs, shared by all processes.
        progress: Told of every item that ends.
        retries: How often a failed item is tried again, after the others.
        lease: How long a silent process counts as alive.

    Returns:
        One outcome per item, in the order of the items.

    Raises:
        OutputError: MV1104 to MV1106 if an output, the journal or a lease cannot be written.
        UsageError: MV1103 if a file is in the way; MV1606 if another process uses other lease
            settings.
        ValueError: If two items share a key or a key is not safe.
        KeyboardInterrupt: If the run is told to stop.
    """
    _check_keys(items)
    for name in ("journal", "leases", "logs"):
        check_output_folder(state_folder / name)
    with Interruption() as interruption, Journal(state_folder / "journal") as journal:
        run = _Run(
            work=work,
            is_done=is_done,
            state_folder=state_folder,
            progress=progress,
            journal=journal,
            lease=lease,
        )
        return run.run(items, retries, interruption)


def _check_keys(items: Sequence[JobItem[T]]) -> None:
    seen: set[str] = set()
    for item in items:
        if not is_safe_key(item.key):
            raise ValueError(
                f"item key {item.key!r} is not a safe file name; use medvlp.io.case_keys"
            )
        if item.key.lower() in seen:
            raise ValueError(f"item key {item.key!r} is there twice")
        seen.add(item.key.lower())


class _Run(Generic[T]):
    """The state of one call of :func:`run_items`."""

    def __init__(
        self,
        *,
        work: Callable[[JobItem[T], Callable[[str], None]], None],
        is_done: Callable[[JobItem[T]], bool],
        state_folder: Path,
        progress: ProgressSink,
        journal: Journal,
        lease: LeaseSettings,
    ) -> None:
        self._work = work
        self._is_done = is_done
        self._folder = state_folder
        self._progress = progress
        self._journal = journal
        self._lease_settings = lease
        self._leases: dict[str, ItemLease] = {}
        self._stage = ""

    def run(
        self, items: Sequence[JobItem[T]], retries: int, interruption: Interruption
    ) -> JobReport:
        outcomes: dict[str, Outcome] = {}
        tries_left = dict.fromkeys((item.key for item in items), retries)
        waiting = list(items)
        pause_s = _FIRST_PAUSE_S
        while waiting:
            later: list[JobItem[T]] = []
            for item in waiting:
                interruption.check()
                outcome = self._visit(item)
                if outcome is not None and outcome.status == "failed" and tries_left[item.key]:
                    tries_left[item.key] -= 1
                    self._journal.write("retried", **asdict(outcome))
                    outcome = None
                if outcome is None:
                    later.append(item)
                else:
                    outcomes[item.key] = self._finish(outcome)
            pause_s = self._pause(pause_s) if len(later) == len(waiting) else _FIRST_PAUSE_S
            waiting = later
        remove_abandoned(self._folder / "leases", self._lease_settings)
        return JobReport(tuple(outcomes[item.key] for item in items))

    def _visit(self, item: JobItem[T]) -> Outcome | None:
        """Return how the item ended, or None while another process works on it."""
        found = self._attempt(item, self._look)
        if found is not None:
            return found
        lease = self._leases.get(item.key)
        if lease is None:
            path = self._folder / "leases" / f"{item.key}.lease"
            lease = self._leases[item.key] = ItemLease(path, self._lease_settings)
        if not lease.acquire():
            return None
        try:
            # The former holder may have finished between the look and the lease.
            return self._attempt(item, self._look) or self._attempt(item, self._carry_out)
        except KeyboardInterrupt:
            self._note(item, "interrupted", stage=self._stage)
            raise
        finally:
            lease.release()

    def _attempt(
        self, item: JobItem[T], step: Callable[[JobItem[T]], Status | None]
    ) -> Outcome | None:
        """Run one step: the border behind which an error is the failure of one item."""
        started = time.monotonic()
        self._stage = ""
        try:
            with full_disk_errors(self._folder):
                status = step(item)
        except OutputError:
            raise
        except MedvlpError as error:
            return self._failure(item, error, error, time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - the border between one item and the run
            return self._failure(item, _described(error), error, time.monotonic() - started)
        if status is None:
            return None
        return Outcome(item.key, item.case_id, status, time.monotonic() - started)

    def _look(self, item: JobItem[T]) -> Status | None:
        self._stage = "check"
        return "reused" if self._is_done(item) else None

    def _carry_out(self, item: JobItem[T]) -> Status:
        self._note(item, "started")
        try:
            self._work(item, self._note_stage)
        except AlreadyPublishedError as error:
            if self._is_done(item):
                return "reused"
            raise MedvlpError(
                "MV1605",
                f"{error.filename} exists, but does not belong to this run",
                expected="no output, or one of the same input, settings and weights",
                hint="choose another output folder, or move the old output away",
            ) from error
        return "done"

    def _note_stage(self, stage: str) -> None:
        self._stage = stage

    def _failure(
        self, item: JobItem[T], error: MedvlpError, cause: Exception, seconds: float
    ) -> Outcome:
        hint = error.hint
        if cause is not error or hasattr(error, "__notes__"):
            with publish_file(self._log_of(item.key)) as temporary:
                text = "".join(traceback.format_exception(cause))
                temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
            hint = f"{hint}; " * bool(hint) + f"the log is {self._log_of(item.key)}"
        parts = (self._stage, error.code, error.reason, hint)
        return Outcome(item.key, item.case_id, "failed", seconds, *parts)

    def _log_of(self, key: str) -> Path:
        return self._folder / "logs" / f"{key}.txt"

    def _finish(self, outcome: Outcome) -> Outcome:
        self._leases.pop(outcome.key, None)
        self._journal.write(outcome.status, **asdict(outcome))
        if outcome.status != "failed":
            with output_errors(self._folder):
                self._log_of(outcome.key).unlink(missing_ok=True)
        if outcome.status == "reused":
            self._progress.skip()
        else:
            self._progress.advance()
        return outcome

    def _note(self, item: JobItem[T], event: str, **fields: object) -> None:
        self._journal.write(event, key=item.key, case_id=item.case_id, **fields)

    def _pause(self, pause_s: float) -> float:
        time.sleep(min(pause_s, self._lease_settings.heartbeat_s))
        return min(2 * pause_s, _LONGEST_PAUSE_S)


def _described(error: Exception) -> MedvlpError:
    if isinstance(error, MemoryError):
        return WorkerError("MV1602", f"out of memory ({error or type(error).__name__})")
    return WorkerError("MV1600", f"{type(error).__name__}: {error}")

"""Records of a run over many items: what to do, how it ended, and all of it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

__all__ = ["JobItem", "JobReport", "Outcome", "Status"]

T = TypeVar("T")
Status = Literal["done", "reused", "failed"]


@dataclass(frozen=True)
class JobItem(Generic[T]):
    """One thing to do.

    Attributes:
        key: Unique name that is safe in every file system (see ``medvlp.io.case_keys``).
        case_id: The user's name of the case, for reports.
        payload: What the work needs to know.
    """

    key: str
    case_id: str
    payload: T


@dataclass(frozen=True)
class Outcome:
    """How one item ended.

    Attributes:
        key: Key of the item.
        case_id: The user's name of the case.
        status: ``done`` by this process now, ``reused`` from before or from another process, or
            ``failed``.
        seconds: Time that this process spent on the item.
        stage: Last stage that the work noted before it failed; empty otherwise.
        code: Code of the error, such as ``MV1206``; empty where there was none.
        reason: What went wrong; empty where nothing did.
        hint: What helps; may be empty.
    """

    key: str
    case_id: str
    status: Status
    seconds: float
    stage: str = ""
    code: str = ""
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class JobReport:
    """The outcomes of a run, in the order of its items."""

    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Return the outcomes of the items that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def exit_code(self) -> int:
        """Return 0 if every item is done, 1 if some failed."""
        return 1 if self.failures else 0

"""Every row of a source is kept or dropped with a reason; the two always add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medvlp.pipelines.pairing.source import SourceRow

__all__ = ["DROPPED_COLUMNS", "Drop", "RowLedger"]

DROPPED_COLUMNS = ("row", "image", "step", "reason", "detail", "caption")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a row is left out.

    Attributes:
        step: Step that found it.
        reason: What is wrong, one of a few texts.
        detail: The measure behind it.
    """

    step: str
    reason: str
    detail: str = ""


class RowLedger:
    """Which rows are left, and why the others are not.

    Args:
        rows: All rows of the source.
    """

    def __init__(self, rows: Sequence[SourceRow]) -> None:
        self.rows = tuple(rows)
        self._drops: dict[int, Drop] = {}

    def drop(self, row: SourceRow, drop: Drop) -> None:
        """Leave a row out; the first reason stands."""
        self._drops.setdefault(row.number, drop)

    def kept(self) -> list[SourceRow]:
        """Return the rows that are left, in the order of the source."""
        return [row for row in self.rows if row.number not in self._drops]

    def drop_images(self, reasons: dict[str, Drop]) -> None:
        """Leave out all rows of some images.

        Args:
            reasons: Name of an image to the reason.
        """
        for row in self.kept():
            if row.image in reasons:
                self.drop(row, reasons[row.image])

    def counts(self) -> dict[str, dict[str, int]]:
        """Return step to reason to the number of rows, most frequent first."""
        steps: dict[str, Counter[str]] = {}
        for drop in self._drops.values():
            steps.setdefault(drop.step, Counter())[drop.reason] += 1
        return {step: dict(reasons.most_common()) for step, reasons in steps.items()}

    @property
    def num_dropped(self) -> int:
        """Number of rows that are left out."""
        return len(self._drops)

    def table(self) -> Iterable[dict[str, object]]:
        """Yield the dropped rows, in the order of the source; see :data:`DROPPED_COLUMNS`."""
        for row in self.rows:
            drop = self._drops.get(row.number)
            if drop is not None:
                yield {
                    "row": row.number,
                    "image": row.image,
                    "step": drop.step,
                    "reason": drop.reason,
                    "detail": drop.detail,
                    "caption": row.caption[:_SHOWN_CHARACTERS],
                }

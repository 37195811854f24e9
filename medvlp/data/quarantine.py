"""Samples that cannot be read in training: absent from their batch, counted, and known by name.

A bad sample is never replaced. Its batch is smaller by one, the others keep their order, and since
only what lies on disk makes a sample bad, a step that is made again misses the same samples.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.errors import DataError
from medvlp.io import output_errors, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["QUARANTINE_FILE", "QUARANTINE_FOLDER", "BadSample", "Quarantine"]

QUARANTINE_FOLDER = "quarantine"
QUARANTINE_FILE = "quarantine.csv"
_COLUMNS = ("sample", "code", "reason")
_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadSample:
    """A sample that could not be read.

    Attributes:
        sample: Its name.
        code: Code of the error.
        reason: What is wrong, with the file and the place in it.
    """

    sample: str
    code: str
    reason: str


class Quarantine:
    """The bad samples of a run.

    Args:
        most: How many different samples may be bad, over all ranks, before the run stops; with 0
            the first one stops it.
    """

    def __init__(self, most: int = 0) -> None:
        if most < 0:
            msg = f"most must be 0 or more, got {most}"
            raise ValueError(msg)
        self.most = most
        self._found: dict[str, BadSample] = {}
        self._folder: Path | None = None
        self._rank = 0

    def open(self, folder: Path, rank: int) -> None:
        """Note bad samples in a file of this rank from now on, after those that are in it.

        Args:
            folder: Folder of the run, shared by all ranks.
            rank: This rank.
        """
        self._folder, self._rank = folder / QUARANTINE_FOLDER, rank
        self._found |= {bad.sample: bad for bad in self._listed(f"rank_{rank}.jsonl")}

    def note(self, absent: Iterable[BadSample]) -> None:
        """Note samples that are absent from a batch.

        Args:
            absent: The samples.

        Raises:
            DataError: If there are now more than may be (MV1815).
            OutputError: If they cannot be noted (MV1104 to MV1106).
        """
        new = {bad.sample: bad for bad in absent if bad.sample not in self._found}
        if not new:
            return
        self._found |= new
        for bad in new.values():
            logger.warning("sample %s is left out: %s: %s", bad.sample, bad.code, bad.reason)
        self._append(new.values())
        everywhere = self.found()
        if len(everywhere) > self.most:
            raise DataError(
                "MV1815",
                f"{len(everywhere)} samples cannot be read: {_names(everywhere)}; the last one: "
                f"{everywhere[-1].code}: {everywhere[-1].reason}",
                expected=f"{self.most} at most, as data.most_bad says",
                hint=f"see {self._folder}, mend the data, or allow more" if self._folder else "",
            )

    def found(self) -> list[BadSample]:
        """Return the bad samples of all ranks, by name."""
        found = dict(self._found)
        if self._folder is not None and self._folder.is_dir():
            for path in sorted(self._folder.glob("rank_*.jsonl")):
                found |= {bad.sample: bad for bad in self._listed(path.name)}
        return [found[name] for name in sorted(found)]

    def close(self) -> None:
        """Write ``quarantine.csv`` into the run's folder once, and say how many were bad."""
        found = self.found()
        folder, self._folder = self._folder, None
        if not found or folder is None:
            return
        path = folder.parent / QUARANTINE_FILE
        write_csv(path, [asdict(bad) for bad in found], _COLUMNS)
        logger.warning(
            "%d samples could not be read and were left out: %s; see %s",
            len(found),
            _names(found),
            path,
        )

    def _append(self, samples: Iterable[BadSample]) -> None:
        if self._folder is None:
            return
        path = self._folder / f"rank_{self._rank}.jsonl"
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(bad)) + "\n" for bad in samples)

    def _listed(self, name: str) -> list[BadSample]:
        path = self._folder / name if self._folder is not None else None
        if path is None or not path.exists():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(BadSample(**json.loads(line)))
            except (json.JSONDecodeError, TypeError):
                continue  # the line that a killed process did not finish
        return found


def _names(found: list[BadSample]) -> str:
    shown = ", ".join(bad.sample for bad in found[:_SHOWN])
    return f"{shown}{', ...' if len(found) > _SHOWN else ''}"

"""Parts of a folder that are made file by file: what they were made of, and which came twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medvlp.jobs.outcomes import JobReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from medvlp.jobs.outcomes import JobItem

__all__ = ["file_stamps", "read_note", "refuse_repeated"]


def file_stamps(paths: Iterable[Path | None]) -> list[list[int]]:
    """Return number of files, bytes and latest change of files and folders.

    Args:
        paths: Files or folders; None is one without files.
    """
    found = []
    for path in paths:
        files = [] if path is None else [path, *(path.rglob("*") if path.is_dir() else ())]
        stats = [file.stat() for file in files if file.exists()]
        size = sum(stat.st_size for stat in stats)
        found.append([len(stats), size, max((stat.st_mtime_ns for stat in stats), default=0)])
    return found


def read_note(path: Path) -> dict[str, Any]:
    """Return what was written beside a part; nothing where that is damaged.

    Args:
        path: A JSON file that exists.
    """
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def refuse_repeated(
    items: Sequence[JobItem[Any]],
    report: JobReport,
    sha256_of: Callable[[str], str],
    *,
    code: str,
    hint: str,
) -> JobReport:
    """Make an item fail whose bytes are those of one before.

    Args:
        items: The items.
        report: What became of them, in the same order.
        sha256_of: Gives the hash of the bytes for the key of an item that did not fail.
        code: Code of the failure.
        hint: What helps.
    """
    first: dict[str, str] = {}
    outcomes = []
    for item, outcome in zip(items, report.outcomes, strict=True):
        if outcome.status != "failed":
            other = first.setdefault(sha256_of(item.key), item.case_id)
            if other != item.case_id:
                outcome = replace(  # noqa: PLW2901  the refused one takes its place
                    outcome,
                    status="failed",
                    stage="gather",
                    code=code,
                    reason=f"{item.case_id} has the bytes of {other}",
                    hint=hint,
                )
        outcomes.append(outcome)
    return JobReport(tuple(outcomes))

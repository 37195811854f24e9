"""Compare the implementation with a folder of reference numbers.

Target: every file whose family is answered agrees within the tolerance of its family.

    python -m benchmarks.check_vectors DIR [--require FAMILY ...] [--complete] [--json PATH]

Prints one row per file with the largest error through public functions of medvlp: ``agrees``;
``partly``, where the file also holds numbers that nothing answers yet; ``FAILS``; ``not covered``.
Exit code 1 if any file fails or a family named by ``--require`` is not covered (``--complete``: or
covered only partly), 2 if there is nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vectors.comparison import Quantity, compare, read_arrays
from benchmarks.vectors.families import FAMILIES
from medvlp import __version__
from medvlp.errors import MedvlpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.vectors.comparison import FamilyCheck

__all__ = ["Row", "check_file", "check_folder", "main"]

AGREES, PARTLY, FAILS, NOT_COVERED = "agrees", "partly", "FAILS", "not covered"


@dataclass(frozen=True)
class Row:
    """The result for one file.

    Attributes:
        file: Name of the file.
        family: What comes before ``__`` in it.
        status: One of ``agrees``, ``partly``, ``FAILS``, ``not covered``.
        compared: Number of expected arrays that were compared.
        expected: Number of expected arrays in the file.
        largest_error: Largest relative error with the floor of the tolerance; None if none.
        allowed: Tolerance of the array with that error.
        worst: Name of that array.
        note: Why the file fails, or which arrays nothing answers.
    """

    file: str
    family: str
    status: str
    compared: int = 0
    expected: int = 0
    largest_error: float | None = None
    allowed: float | None = None
    worst: str = ""
    note: str = ""


def check_file(path: Path) -> Row:
    """Compare one file; a file that cannot be read or answered fails with the reason."""
    family = path.name.partition("__")[0]
    check = FAMILIES.get(family)
    if check is None:
        return Row(path.name, family, NOT_COVERED)
    try:
        arrays = read_arrays(path)
        answers = check.answer(arrays)
        quantities = [
            compare(name, arrays[name], value, check.tolerance_of(name))
            for name, value in answers.items()
        ]
    except (ArithmeticError, LookupError, TypeError, ValueError, MedvlpError) as error:
        return Row(path.name, family, FAILS, note=f"{type(error).__name__}: {error}")
    return _row(path.name, family, check, quantities, check.expected_names(arrays))


def _row(
    file: str, family: str, check: FamilyCheck, quantities: list[Quantity], expected: list[str]
) -> Row:
    if not quantities:
        return Row(file, family, NOT_COVERED, expected=len(expected))
    compared = {quantity.name for quantity in quantities}
    left = [name for name in expected if name not in compared]
    failing = [quantity.name for quantity in quantities if not quantity.agrees]
    worst = max(quantities, key=lambda quantity: (not quantity.agrees, quantity.error))
    status = FAILS if failing else PARTLY if left else AGREES
    note = f"nothing answers {_some(left)}" if left else ""
    return Row(
        file=file,
        family=family,
        status=status,
        compared=len(compared),
        expected=len(expected),
        largest_error=worst.error,
        allowed=worst.allowed,
        worst=worst.name,
        note=f"wrong: {_some(failing)}" if failing else note,
    )


def _some(names: Sequence[str], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def check_folder(folder: Path) -> list[Row]:
    """Compare every file of a folder, in the order of their names."""
    return [check_file(path) for path in sorted(folder.glob("*__*.npz"))]


def missing_families(rows: Sequence[Row], required: Sequence[str], *, complete: bool) -> list[str]:
    """Return the required families that are not covered by any file, or not by all of them.

    Args:
        rows: Results of the folder.
        required: Names of families.
        complete: Whether partly covered files count as not covered.
    """
    lacking = {NOT_COVERED, PARTLY} if complete else {NOT_COVERED}
    missing = []
    for family in required:
        statuses = {row.status for row in rows if row.family == family}
        if not statuses or statuses & lacking:
            missing.append(family)
    return missing


def _print_table(rows: Sequence[Row]) -> None:
    width = max(len(row.file) for row in rows)
    print(f"{'file':{width}}  {'status':11}  compared  largest error  allowed  at")
    for row in rows:
        error = "" if row.largest_error is None else f"{row.largest_error:.1e}"
        allowed = "" if row.allowed is None else f"{row.allowed:.1e}" if row.allowed else "equal"
        counts = f"{row.compared}/{row.expected}" if row.expected else ""
        note = f"  ({row.note})" if row.note else ""
        print(
            f"{row.file:{width}}  {row.status:11}  {counts:>8}  {error:>13}  {allowed:>7}  "
            f"{row.worst}{note}".rstrip()
        )


def _write_json(path: Path, rows: Sequence[Row], missing: Sequence[str]) -> None:
    libraries = ("numpy", "scipy", "scikit-learn")
    record = {
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "versions": {
            "medvlp": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in libraries},
        },
        "rows": [asdict(row) for row in rows],
        "missing": list(missing),
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="check_vectors", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--require", nargs="+", action="extend", default=[], metavar="FAMILY")
    parser.add_argument("--complete", action="store_true")
    parser.add_argument("--json", type=Path, metavar="PATH")
    chosen = parser.parse_args(arguments)
    rows = check_folder(chosen.folder) if chosen.folder.is_dir() else []
    if not rows:
        print(f"{chosen.folder} holds no files named FAMILY__CASE.npz", file=sys.stderr)
        return 2
    missing = missing_families(rows, chosen.require, complete=chosen.complete)
    _print_table(rows)
    if missing:
        print(f"required but not covered: {', '.join(missing)}")
    counts = {
        status: sum(row.status == status for row in rows)
        for status in (AGREES, PARTLY, FAILS, NOT_COVERED)
    }
    print(f"{len(rows)} files: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    if chosen.json is not None:
        _write_json(chosen.json, rows, missing)
    return 1 if counts[FAILS] or missing else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Labels of the cases of a run: a table with ``case_id``, ``label`` or ``mask``, and ``group``.

A column ``split``, where there is one, says which cases are test cases: nothing is chosen on them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.config.calibrations import CalibrationCases
from medvlp.config.selection import is_test_split
from medvlp.errors import ConfigError, DataError, nearest_name
from medvlp.io import content_sha256, read_csv
from medvlp.pipelines.pairing.splits import split_units

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.pipelines.judged_run import JudgedCase, JudgedRun

__all__ = [
    "LabelTable",
    "LabelledCase",
    "bad_labels",
    "calibration_cases",
    "check_classes",
    "join_labels",
    "read_labels",
    "read_rows",
]


@dataclass(frozen=True, kw_only=True)
class LabelledCase:
    """A case of the run with what is known of it.

    Attributes:
        case: The case.
        value: Its class, or the path of its mask.
        group: Its patient or other group; its own id where the table has no such column. Cases of
            the same content are of one group, whatever the table says.
    """

    case: JudgedCase
    value: str
    group: str


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """What a table says of the cases of a run.

    Attributes:
        cases: The cases that it labels.
        left_out: Number of rows and cases that are not among them, by reason.
        split: Names of the parts of the data that they are of; empty without a column ``split``.
        on_test: Whether test cases are among them.
    """

    cases: tuple[LabelledCase, ...]
    left_out: dict[str, int]
    split: str = ""
    on_test: bool = False


def read_labels(
    run: JudgedRun, table: Path, column: str, *, allow_on_test: bool = False
) -> LabelTable:
    """Read what a table says of the cases of a run.

    Args:
        run: The run.
        table: CSV with ``case_id`` and ``column``, and ``group`` and ``split`` if wanted.
        column: ``label`` or ``mask``; rows where it is empty are left out, and so are rows of cases
            that the run has no prediction for.
        allow_on_test: Whether test cases may be among them.

    Raises:
        DataError: MV1524 if a column is missing, a case is named twice, or no case of the run is
            named.
        ConfigError: MV1150 for test cases.
        MedvlpError: If the table cannot be read.
    """
    return join_labels(run, table, read_rows(table, (column,)), column, allow_on_test=allow_on_test)


def read_rows(table: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a table that names each case once.

    Args:
        table: CSV with ``case_id``.
        columns: Columns that must be there too.

    Raises:
        DataError: MV1524 if a column is missing or a case is named twice.
        MedvlpError: If the table cannot be read.
    """
    rows = read_csv(table)
    found = set(rows[0]) if rows else set()
    for name in ("case_id", *columns):
        if name not in found:
            raise bad_labels(
                table,
                f"there is no column {name!r}{nearest_name(name, found)}",
                f"the columns {' and '.join(('case_id', *columns))}, and group if cases share "
                "patients",
            )
    counts = Counter(row["case_id"] for row in rows)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise bad_labels(
            table, f"case {twice[0]!r} is named {counts[twice[0]]} times", "each case once"
        )
    return rows


def join_labels(
    run: JudgedRun,
    table: Path,
    rows: Sequence[dict[str, str]],
    column: str,
    *,
    allow_on_test: bool = False,
) -> LabelTable:
    """Bring the rows of a table and the cases of a run together.

    Args:
        run: The run.
        table: Where the rows are from.
        rows: The rows, each case once.
        column: Column of what is known of a case; empty cells are left out.
        allow_on_test: Whether test cases may be among them.

    Raises:
        DataError: MV1524 if no case of the run has a value.
        ConfigError: MV1150 for test cases.
    """
    filled = [row for row in rows if row[column].strip()]
    found = tuple(
        LabelledCase(
            case=run.cases[row["case_id"]],
            value=row[column].strip(),
            group=row.get("group", "").strip() or row["case_id"],
        )
        for row in filled
        if row["case_id"] in run.cases
    )
    parts = Counter(row.get("split", "").strip() for row in filled if row["case_id"] in run.cases)
    if not found:
        raise bad_labels(
            table,
            f"none of its {len(rows)} cases has a {column} and a prediction in run {run.name}",
            f"case ids as in predictions.csv, such as {next(iter(run.cases), 'none')!r}",
        )
    found = _with_copies_together(found)
    left_out = {
        f"rows without a {column}": len(rows) - len(filled),
        "rows without a prediction in the run": len(filled) - len(found),
        "predictions without a row": len(run.cases) - len(found),
    }
    return LabelTable(
        cases=found,
        left_out={why: n for why, n in left_out.items() if n},
        split=" and ".join(sorted(filter(None, parts))),
        on_test=_check_parts(table, parts, allow_on_test),
    )


def _check_parts(table: Path, parts: Counter[str], allow_on_test: bool) -> bool:
    """Tell whether test cases are among those of a table, and refuse them where not allowed."""
    on_test = sum(count for name, count in parts.items() if is_test_split(name))
    if on_test and not allow_on_test:
        raise ConfigError(
            "MV1150",
            f"{table}: {on_test} of the {parts.total()} cases to fit on are of the test set, as "
            "column 'split' says",
            expected="cases that no figure is reported on, such as validation",
            hint="leave their rows out; --allow-selection-on-test fits on them all the same, and "
            "every output says so",
        )
    return bool(on_test)


def _with_copies_together(found: tuple[LabelledCase, ...]) -> tuple[LabelledCase, ...]:
    """Put cases of the same content, and their groups, into one group."""
    ties = [[item.group for item in found], [item.case.content_sha256 for item in found]]
    units = split_units(len(found), ties).tolist()
    return tuple(
        replace(item, group=found[unit].group) for item, unit in zip(found, units, strict=True)
    )


def bad_labels(table: Path, what: str, expected: str, hint: str = "") -> DataError:
    """Return the error of a table that does not fit its run.

    Args:
        table: The table.
        what: What is wrong.
        expected: What was expected.
        hint: What helps.
    """
    return DataError("MV1524", f"{table}: {what}", expected=expected, hint=hint)


def calibration_cases(
    run: JudgedRun, table: Path, told: LabelTable, counts: dict[str, int]
) -> CalibrationCases:
    """Return what a calibration file says of the cases that it was fitted on.

    Args:
        run: The run.
        table: The labels.
        told: What they say.
        counts: Cases, or tiles, of each class.
    """
    cases = told.cases
    return CalibrationCases(
        run=run.name,
        labels_sha256=content_sha256(table),
        number=len(cases),
        num_groups=len({labelled.group for labelled in cases}),
        class_counts=counts,
        left_out=told.left_out,
        content_sha256=tuple(sorted(labelled.case.content_sha256 for labelled in cases)),
        split=told.split,
        on_test=told.on_test,
    )


def check_classes(run: JudgedRun, table: Path, told: LabelTable) -> None:
    """Refuse labels that the rule of the task cannot answer.

    Raises:
        DataError: MV1524 if there is one.
    """
    for labelled in told.cases:
        if labelled.value not in run.task.classes:
            raise _unknown_class(run, table, labelled)


def _unknown_class(run: JudgedRun, table: Path, labelled: LabelledCase) -> DataError:
    classes = run.task.classes
    hint = ""
    if labelled.value in run.rules.class_names:
        hint = (
            f"head {run.task.head!r} never answers {labelled.value!r}; leave these cases out, or "
            "decide by head 'mean' or 'top-j'"
        )
    near = nearest_name(labelled.value, classes)
    return bad_labels(
        table,
        f"case {labelled.case.row.case_id!r} has the label {labelled.value!r}{near}",
        f"one of {list(classes)}",
        hint,
    )

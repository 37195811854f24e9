"""Labels of the cases of a run: a table with ``case_id``, ``label`` or ``mask``, and ``group``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.errors import DataError, nearest_name
from medvlp.io import read_csv
from medvlp.pipelines.pairing.splits import split_units

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.pipelines.judged_run import JudgedCase, JudgedRun

__all__ = ["LabelTable", "LabelledCase", "bad_labels", "check_classes", "read_labels"]


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
    """

    cases: tuple[LabelledCase, ...]
    left_out: dict[str, int]


def read_labels(run: JudgedRun, table: Path, column: str) -> LabelTable:
    """Read what a table says of the cases of a run.

    Args:
        run: The run.
        table: CSV with ``case_id`` and ``column``, and ``group`` if wanted.
        column: ``label`` or ``mask``; rows where it is empty are left out, and so are rows of cases
            that the run has no prediction for.

    Raises:
        DataError: MV1524 if a column is missing, a case is named twice, or no case of the run is
            named.
        MedvlpError: If the table cannot be read.
    """
    rows = read_csv(table)
    columns = set(rows[0]) if rows else set()
    for name in ("case_id", column):
        if name not in columns:
            raise bad_labels(
                table,
                f"there is no column {name!r}{nearest_name(name, columns)}",
                f"the columns case_id and {column}, and group if cases share patients",
            )
    counts = Counter(row["case_id"] for row in rows)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise bad_labels(
            table, f"case {twice[0]!r} is named {counts[twice[0]]} times", "each case once"
        )
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
    return LabelTable(cases=found, left_out={why: n for why, n in left_out.items() if n})


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

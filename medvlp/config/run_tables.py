"""The tables of a run folder, written and read back.

The Parquet file holds texts as they are. In the CSV files a text that a spreadsheet program would
take for a formula (it begins with ``=``, ``+``, ``-``, ``@`` or a tab) gets an apostrophe in front,
because case ids are file names and file names may come from strangers; a text that already looks so
protected gets one more, so that `read_predictions` restores every text. Numbers are never touched.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

from medvlp.config.runs import (
    PROBABILITY_PREFIX,
    SCORE_PREFIX,
    CaseRow,
    FailureRow,
    PredictionRow,
    PredictionStatus,
    RunFolder,
    without_local_names,
)
from medvlp.errors import MedvlpError
from medvlp.io import publish_file, read_csv, write_csv
from medvlp.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "prediction_columns",
    "read_case_rows",
    "read_predictions",
    "write_case_rows",
    "write_run_tables",
]

_FORMULA = re.compile(r"'*[=+\-@\t]")
_PROTECTED = re.compile(r"'+[=+\-@\t]")
_COUNTS = ("n_units", "n_used", "n_failed")
_NUMBERS = ("confidence", "interval_low", "interval_high", "node_confidence")
_SHARES = ("confidence", "node_confidence")
_LISTS = ("findings", "node_path", "prediction_set")


def prediction_columns(rows: Iterable[PredictionRow]) -> list[str]:
    """Return the columns of ``predictions`` in order.

    Args:
        rows: All rows; the classes and the heads of all tasks, in the order in which they first
            occur, stand before the interval.
    """
    classes: dict[str, None] = {}
    heads: dict[str, None] = {}
    for row in rows:
        classes.update(dict.fromkeys(row.probabilities))
        heads.update(dict.fromkeys(row.scores))
    columns: list[str] = []
    for item in fields(PredictionRow):
        if item.name == "probabilities":
            columns += [PROBABILITY_PREFIX + name for name in classes]
        elif item.name == "scores":
            columns += [SCORE_PREFIX + name for name in heads]
        else:
            columns.append(item.name)
    return columns


def write_run_tables(
    folder: Path,
    predictions: Sequence[PredictionRow],
    failures: Sequence[FailureRow],
    cases: Sequence[CaseRow],
) -> None:
    """Write ``predictions.csv``, ``predictions.parquet``, ``failures.csv`` and ``cases.csv``.

    Equal rows in equal order give equal bytes. ``predictions.csv`` is published last: where it is
    new, the others are.

    Args:
        folder: The run folder.
        predictions: One row per case, model and task, in the order to write.
        failures: One row per case that failed; in their texts the case id takes the place of the
            local file name.
        cases: One row per case.

    Raises:
        ValueError: If a case, model and task occur twice.
        OutputError: If a file cannot be written.
    """
    seen: set[tuple[str, str, str]] = set()
    for row in predictions:
        key = (row.case_id, row.model, row.task)
        if key in seen:
            raise ValueError(f"two predictions for case, model and task {key}")
        seen.add(key)
    run = RunFolder(folder)
    columns = prediction_columns(predictions)
    cells = [_prediction_cells(row) for row in predictions]
    _write_parquet(run.predictions_parquet, cells, columns)
    write_case_rows(folder, failures, cases)
    write_csv(run.predictions_csv, [_protected(row) for row in cells], columns)


def write_case_rows(folder: Path, failures: Sequence[FailureRow], cases: Sequence[CaseRow]) -> None:
    """Write ``failures.csv`` and ``cases.csv`` of any output folder.

    Args:
        folder: The output folder.
        failures: One row per case that failed; in their texts the case id takes the place of the
            local file name.
        cases: One row per case.

    Raises:
        OutputError: If a file cannot be written.
    """
    run = RunFolder(folder)
    by_id = {case.case_id: case for case in cases}
    failures = [_without_names(failure, by_id.get(failure.case_id)) for failure in failures]
    for path, rows in ((run.cases_csv, cases), (run.failures_csv, failures)):
        kind = CaseRow if path == run.cases_csv else FailureRow
        names = [item.name for item in fields(kind)]
        write_csv(path, [_protected({n: _text(getattr(r, n)) for n in names}) for r in rows], names)


def read_predictions(path: Path) -> list[PredictionRow]:
    """Read ``predictions.csv`` back.

    Columns of others are passed over; a class whose cell is empty is not a class of that row's
    task.

    Args:
        path: The CSV file, or the run folder that holds it.

    Raises:
        MedvlpError: MV1101 or MV1102 where the file cannot be read or a cell is not what its
            column holds.
    """
    path = RunFolder(path).predictions_csv if path.is_dir() else path
    rows = []
    for number, cells in enumerate(read_csv(path), start=1):
        try:
            rows.append(_prediction_row({name: _restored(cell) for name, cell in cells.items()}))
        except (KeyError, TypeError, ValueError) as error:
            what = f"no column {error}" if isinstance(error, KeyError) else str(error)
            raise MedvlpError(
                "MV1102",
                f"{path}: row {number}: {what}",
                expected="predictions as 'medvlp zero-shot' writes them",
                hint="give the predictions.csv of a run, or the run folder",
            ) from error
    return rows


def read_case_rows(path: Path) -> list[CaseRow]:
    """Read ``cases.csv`` back.

    Args:
        path: The CSV file, or the output folder that holds it.

    Raises:
        MedvlpError: MV1101 or MV1102 where the file cannot be read or lacks a column.
    """
    path = RunFolder(path).cases_csv if path.is_dir() else path
    names = [item.name for item in fields(CaseRow)]
    try:
        return [
            CaseRow(**{name: _restored(cells[name]) for name in names}) for cells in read_csv(path)
        ]
    except KeyError as error:
        raise MedvlpError(
            "MV1102",
            f"{path}: no column {error}",
            expected=f"the columns {names}",
            hint="give the cases.csv of a run, or the run folder",
        ) from error


def _without_names(failure: FailureRow, case: CaseRow | None) -> FailureRow:
    if case is None:
        return failure
    reason, hint = (without_local_names(text, case) for text in (failure.reason, failure.hint))
    return replace(failure, reason=reason, hint=hint)


def _prediction_cells(row: PredictionRow) -> dict[str, object]:
    cells: dict[str, object] = {}
    for item in fields(row):
        value = getattr(row, item.name)
        if item.name == "probabilities":
            cells |= {PROBABILITY_PREFIX + name: _share(p) for name, p in value.items()}
        elif item.name == "scores":
            cells |= {SCORE_PREFIX + name: float(score) for name, score in value.items()}
        elif value is None:
            cells[item.name] = None
        elif item.name in _COUNTS:
            cells[item.name] = int(value)
        elif item.name in _NUMBERS:
            cells[item.name] = _share(value) if item.name in _SHARES else float(value)
        elif item.name in _LISTS:
            cells[item.name] = json.dumps(list(value), ensure_ascii=False)
        else:
            cells[item.name] = _text(value)
    return cells


def _prediction_row(cells: dict[str, str]) -> PredictionRow:
    statuses: dict[str, PredictionStatus] = {word: word for word in get_args(PredictionStatus)}
    modalities: dict[str, Modality] = {word: word for word in get_args(Modality)}
    for column, known in (("status", statuses), ("modality", modalities)):
        if cells[column] not in known:
            raise ValueError(f"{column} {cells[column]!r} is none of {', '.join(known)}")

    def mapping(prefix: str) -> dict[str, float]:
        found = {n: cell for n, cell in cells.items() if n.startswith(prefix) and cell}
        return {name.removeprefix(prefix): float(cell) for name, cell in found.items()}

    def number(name: str) -> float | None:
        return float(cells[name]) if cells.get(name) else None

    def names(name: str) -> tuple[str, ...] | None:
        return tuple(json.loads(cells[name])) if cells.get(name) else None

    return PredictionRow(
        case_id=cells["case_id"],
        model=cells["model"],
        task=cells["task"],
        modality=modalities[cells["modality"]],
        status=statuses[cells["status"]],
        prediction=cells["prediction"] or None,
        findings=names("findings"),
        confidence=number("confidence"),
        n_units=int(cells["n_units"]),
        n_used=int(cells["n_used"]),
        n_failed=int(cells["n_failed"]),
        probabilities=mapping(PROBABILITY_PREFIX),
        scores=mapping(SCORE_PREFIX),
        interval_low=number("interval_low"),
        interval_high=number("interval_high"),
        node=cells["node"] or None,
        node_path=names("node_path"),
        node_confidence=number("node_confidence"),
        prediction_set=names("prediction_set"),
    )


def _write_parquet(path: Path, rows: list[dict[str, object]], columns: list[str]) -> None:
    """Publish rows with the type of each column stated: an empty column keeps its type."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and most commands write no predictions
    import pyarrow.parquet as pq  # noqa: PLC0415

    def kind(column: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        if column in _COUNTS:
            return pa.int64()
        is_number = column in _NUMBERS or column.startswith((PROBABILITY_PREFIX, SCORE_PREFIX))
        return pa.float64() if is_number else pa.string()

    schema = pa.schema([(column, kind(column)) for column in columns])
    with publish_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def _share(value: float) -> float:
    """Return a share without the rounding of 32-bit sums, which may pass 1 by a hair."""
    return min(max(float(value), 0.0), 1.0)


def _text(value: object) -> str:
    """Return a text that every table reader keeps as it is; the rest is escaped with a backslash.

    Escaped are carriage returns, which end a row for some readers even inside of quotes, NUL, and
    what is outside of UTF-8.
    """
    kept = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return kept.replace("\r", "\\r").replace("\0", "\\0")


def _protected(cells: Mapping[str, object]) -> dict[str, object]:
    return {
        name: f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
        for name, cell in cells.items()
    }


def _restored(cell: str) -> str:
    return cell[1:] if _PROTECTED.match(cell) else cell

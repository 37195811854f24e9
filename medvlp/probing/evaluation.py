"""Judge the predictions of a finished run against labels, with intervals over patients.

Letters: N cases, C classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.config.run_tables import read_predictions
from medvlp.config.runs import RunFolder
from medvlp.errors import UsageError, nearest_name
from medvlp.io import case_keys, content_sha256
from medvlp.probing.chosen_cases import check_chosen, read_run_choices
from medvlp.probing.figures import Figure, Resampling, binary_figures, class_figures, figures_by
from medvlp.probing.label_table import GROUP_COLUMNS, LabelTable, bad_labels, read_label_table
from medvlp.probing.settings import site_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.config.runs import PredictionRow

__all__ = ["EvaluationSettings", "evaluate_run"]

_TRUTH = {"1": 1, "0": 0, "true": 1, "false": 0, "yes": 1, "no": 0}
_UNKNOWN = ("", "-1", "nan")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What is judged, and how."""

    label: str = "label"
    """Column of classes; findings have a column each, 0 or 1, under their own names."""
    positive: str | None = None
    """Class to judge against all others."""
    group: str | None = None
    """Column of patients; None takes ``patient_id``, ``patient`` or ``group``."""
    by: tuple[str, ...] | None = None
    """Columns to give figures apart by; None takes ``site`` and ``scanner`` if there."""
    model: str | None = None
    """The one model to judge."""
    task: str | None = None
    """The one task to judge."""
    seed: int = 0
    """Seed of the draws."""
    draws: int = 1000
    """Bootstrap draws."""
    allow_selection_on_test: bool = False
    """Judge cases that something of the run was chosen on; the record says so."""


@dataclass(frozen=True, eq=False)
class _Joined:
    """Predictions with their rows of the table."""

    predictions: list[PredictionRow]
    rows: list[Mapping[str, str]]
    groups: NDArray[np.str_]
    notes: dict[str, int]

    def select(self, keep: Sequence[int]) -> _Joined:
        return _Joined(
            [self.predictions[i] for i in keep],
            [self.rows[i] for i in keep],
            self.groups[np.asarray(keep, dtype=np.int64)],
            self.notes,
        )


def evaluate_run(
    predictions: Path, labels: Path, settings: EvaluationSettings
) -> list[dict[str, object]]:
    """Judge each model with each task of a run.

    Args:
        predictions: A run folder of 'medvlp zero-shot', or its ``predictions.csv``.
        labels: Table of labels.
        settings: What is judged.

    Returns:
        One record per model and task: ``model``, ``task``, ``num_cases``, ``selection``, ``notes``,
        ``figures`` (or ``findings`` with figures each), ``by_<column>``.

    Raises:
        DataError: MV1153 for cases that something of the run was chosen on.
        DataError: MV2320 for missing columns and values; MV2321 if a case has two rows; MV2322 if
            no case of the run is in the table.
        UsageError: MV1522 if the run has no such model or task.
        MedvlpError: If a file cannot be read.
    """
    table = read_label_table(labels)
    rows = read_predictions(predictions)
    normal = _normal_classes(predictions)
    pairs = list(
        dict.fromkeys(
            (row.model, row.task)
            for row in rows
            if settings.model in (None, row.model) and settings.task in (None, row.task)
        )
    )
    if not pairs:
        known = sorted({f"{row.model} with {row.task}" for row in rows})
        raise UsageError(
            "MV1522",
            f"{predictions} has no predictions of --model {settings.model} --task {settings.task}",
            expected=f"one of {known}" if known else "a run with predictions",
        )
    choices, labels_sha256 = read_run_choices(predictions), content_sha256(labels)
    found = []
    for model, task in pairs:
        own = [row for row in rows if (row.model, row.task) == (model, task)]
        joined = _join(own, table, settings, predictions)
        judge = _judge_findings if own[0].findings is not None else _judge_classes
        selection = check_chosen(
            choices,
            model,
            task,
            _labelled(joined, settings),
            labels_sha256=labels_sha256,
            is_allowed=settings.allow_selection_on_test,
        )
        record = {
            "model": model,
            "task": task,
            "num_cases": len(joined.rows),
            "selection": selection,
        }
        found.append(record | judge(joined, table, settings, normal.get(task)))
    return found


def _join(
    own: list[PredictionRow], table: LabelTable, settings: EvaluationSettings, source: Path
) -> _Joined:
    if settings.group is not None:
        table.require(settings.group)
    column = settings.group or table.first_of(GROUP_COLUMNS)
    by_id = {row["case_id"]: row for row in table.rows}
    if len(by_id) < len(table.rows):
        raise bad_labels(
            table.path,
            "a case has several rows, one per side; a run predicts whole cases",
            code="MV2321",
            expected="one row per case",
        )
    by_key = {case_keys([name])[name]: row for name, row in by_id.items()}
    predictions, rows, groups, unlabelled, undecided = [], [], [], 0, 0
    for prediction in own:
        case_id = prediction.case_id
        row = by_id.get(case_id) or by_key.get(case_keys([case_id])[case_id])
        if row is None or prediction.status != "diagnosed":
            undecided += row is not None
            unlabelled += row is None
            continue
        predictions.append(prediction)
        rows.append(row)
        groups.append((row[column] if column else "") or f"case {case_id}")
    if not rows:
        raise bad_labels(
            table.path,
            f"none of its {len(table.rows)} cases has a prediction in {source}",
            code="MV2322",
            expected=f"case ids such as {own[0].case_id!r}",
            hint=f"the table names {table.rows[0]['case_id']!r}",
        )
    notes = {
        "predictions without a row of the table": unlabelled,
        "cases that the run could not judge": undecided,
        "rows of the table without a prediction": len(table.rows) - len(rows) - undecided,
    }
    kept = {why: count for why, count in notes.items() if count}
    return _Joined(predictions, rows, np.asarray(groups), kept)


def _labelled(joined: _Joined, settings: EvaluationSettings) -> list[str]:
    """Return the cases that the table says anything of which is judged."""
    first = joined.predictions[0]
    names: tuple[str, ...] = (settings.label,)
    unknown: tuple[str, ...] = ("",)
    if first.findings is not None:
        names, unknown = tuple(first.probabilities), _UNKNOWN
    return [
        prediction.case_id
        for prediction, row in zip(joined.predictions, joined.rows, strict=True)
        if any(row.get(name, "").lower() not in unknown for name in names)
    ]


def _judge_classes(
    joined: _Joined, table: LabelTable, settings: EvaluationSettings, normal: str | None
) -> dict[str, object]:
    table.require(settings.label)
    keep = [i for i, row in enumerate(joined.rows) if row[settings.label]]
    if not keep:
        raise bad_labels(table.path, f"no case of the run has a {settings.label}")
    told = joined.select(keep)
    classes = _class_order(told, normal)
    for row in told.rows:
        _check_class(table, row, settings.label, classes)
    names = [row[settings.label] for row in told.rows]
    scores = np.array([[p.probabilities[name] for name in classes] for p in told.predictions])
    labels = np.asarray([classes.index(name) for name in names], dtype=np.int64)
    guesses = np.asarray([_place(classes, p.prediction) for p in told.predictions])
    if settings.positive is not None:
        if settings.positive not in classes:
            near = nearest_name(settings.positive, classes)
            raise bad_labels(
                table.path,
                f"{settings.positive!r} is no class of the task{near}",
                expected=f"one of {classes}",
            )
        place = classes.index(settings.positive)
        labels, guesses = (labels == place).astype(np.int64), (guesses == place).astype(np.int64)
        scores = np.stack([1 - scores[:, place], scores[:, place]], axis=1)
        classes = [f"not {settings.positive}", settings.positive]
    resampling = Resampling(told.groups, settings.draws, settings.seed)

    def measure(part: NDArray[np.bool_]) -> dict[str, Figure]:
        return class_figures(
            labels[part], guesses[part], scores[part], classes, resampling.select(part)
        )

    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return {
        "classes": classes,
        "positive": classes[1] if len(classes) == 2 else None,
        "num_per_class": dict(zip(classes, counts, strict=True)),
        **_measured(told, table, settings, measure),
    }


def _judge_findings(
    joined: _Joined, table: LabelTable, settings: EvaluationSettings, _: str | None
) -> dict[str, object]:
    names = list(joined.predictions[0].probabilities)
    known = [name for name in names if name in table.columns]
    if not known:
        raise bad_labels(
            table.path,
            f"there is no column for any finding of the task, such as {names[0]!r}",
            expected="a column per finding, 1 where it is there and 0 where not",
        )
    found: dict[str, object] = {}
    areas = []
    for name in known:
        truth = [_truth(table, row, name) for row in joined.rows]
        told = joined.select([i for i, value in enumerate(truth) if value is not None])
        labels = np.asarray([value for value in truth if value is not None], dtype=np.int64)
        guesses = np.asarray([int(name in (p.findings or ())) for p in told.predictions])
        scores = np.asarray([p.probabilities[name] for p in told.predictions], dtype=np.float64)
        if not len(labels):
            found[name] = {"num_positive": 0, "num_cases": 0, "why": "no case has a label"}
            continue
        measure = _finding_measure(labels, guesses, scores, told, settings)
        record = _measured(told, table, settings, measure)
        found[name] = {"num_positive": int(labels.sum()), "num_cases": len(labels), **record}
        areas.append(measure(np.ones(len(labels), dtype=bool))["auroc"].value)
    defined = [area for area in areas if area is not None]
    return {
        "findings": found,
        "auroc_mean_of_findings": float(np.mean(defined)) if defined else None,
        "findings_without_a_column": [name for name in names if name not in known],
        "notes": joined.notes,
    }


def _finding_measure(
    labels: NDArray[np.int64],
    guesses: NDArray[np.int64],
    scores: NDArray[np.float64],
    told: _Joined,
    settings: EvaluationSettings,
) -> Callable[[NDArray[np.bool_]], dict[str, Figure]]:
    resampling = Resampling(told.groups, settings.draws, settings.seed)
    return lambda part: binary_figures(
        labels[part], guesses[part], scores[part], resampling.select(part)
    )


def _measured(
    told: _Joined,
    table: LabelTable,
    settings: EvaluationSettings,
    measure: Callable[[NDArray[np.bool_]], dict[str, Figure]],
) -> dict[str, object]:
    everything = np.ones(len(told.rows), dtype=bool)
    record: dict[str, object] = {
        "figures": {name: figure.record() for name, figure in measure(everything).items()},
        "num_groups": len(np.unique(told.groups)),
        "notes": told.notes,
    }
    for column in site_columns(table, settings.by):
        record[f"by_{column}"] = figures_by([row[column] for row in told.rows], measure)
    return record


def _class_order(told: _Joined, normal: str | None) -> list[str]:
    """Return the classes as the table of predictions has them, the normal one first."""
    classes = list(dict.fromkeys(name for p in told.predictions for name in p.probabilities))
    return sorted(classes, key=lambda name: name != normal)


def _check_class(
    table: LabelTable, row: Mapping[str, str], column: str, classes: list[str]
) -> None:
    if row[column] not in classes:
        near = nearest_name(row[column], classes)
        raise bad_labels(
            table.path,
            f"case {row['case_id']!r} has the {column} {row[column]!r}{near}",
            expected=f"one of {classes}, or nothing to leave the case out",
        )


def _truth(table: LabelTable, row: Mapping[str, str], name: str) -> int | None:
    text = row[name].lower()
    if text in _UNKNOWN:
        return None
    if text not in _TRUTH:
        raise bad_labels(
            table.path,
            f"case {row['case_id']!r} has {name} {row[name]!r}",
            expected="1, 0, or nothing (or -1) where it is not known",
        )
    return _TRUTH[text]


def _place(classes: list[str], name: str | None) -> int:
    return classes.index(name) if name in classes else -1


def _normal_classes(predictions: Path) -> dict[str, str | None]:
    """Return the normal class of each task, where ``run.json`` lies beside the predictions."""
    folder = predictions if predictions.is_dir() else predictions.parent
    try:
        record: Any = json.loads(RunFolder(folder).run_json.read_text(encoding="utf-8"))
        return {task["name"]: task.get("normal") for task in record["tasks"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}

"""Gather what the report says from the tables, the record and the pictures of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from medvlp.config.runs import without_local_names
from medvlp.reporting.page_records import (
    PLAIN_COLOUR,
    CaseContent,
    CaseDetails,
    CaseFigure,
    PageContent,
    ReportSettings,
    ResultContent,
    ScoreBar,
    score_bar,
)
from medvlp.reporting.palette import class_colours
from medvlp.reporting.pictures import embed_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medvlp.config.runs import CaseRow, FailureRow, PredictionRow, RunRecord, TaskRecord

__all__ = ["build_page_content"]

_UNITS = {"slide": "tiles", "ct": "boxes", "radiograph": "images"}
_MAX_BARS = 8


def build_page_content(
    record: RunRecord,
    predictions: Sequence[PredictionRow],
    failures: Sequence[FailureRow],
    cases: Sequence[CaseRow],
    *,
    details: Mapping[str, CaseDetails],
    settings: ReportSettings,
) -> PageContent:
    """Gather what the page says.

    Args:
        record: What was done.
        predictions: The rows of ``predictions.csv``.
        failures: The rows of ``failures.csv``.
        cases: All cases in the order to show.
        details: Figures and notes of cases, by case id.
        settings: Limits of the page.

    Raises:
        ValueError: If a row names a case that is not among the cases.
    """
    named = {row.case_id for row in predictions} | {row.case_id for row in failures}
    _check_cases_known(cases, named | set(details))
    with_figures = [c.case_id for c in cases if c.case_id in details and details[c.case_id].figures]
    shown = frozenset(with_figures[: settings.max_illustrated_cases])
    colours = {task.name: _task_colours(task) for task in record.tasks}
    results: dict[str, list[ResultContent]] = defaultdict(list)
    for row in predictions:
        results[row.case_id].append(_result(row, colours.get(row.task, {})))
    failed: dict[str, list[FailureRow]] = defaultdict(list)
    for failure in failures:
        failed[failure.case_id].append(failure)
    contents = []
    for number, case in enumerate(cases, start=1):
        told = details.get(case.case_id, CaseDetails())
        contents.append(
            CaseContent(
                anchor=f"case-{number}",
                row=case,
                results=tuple(results[case.case_id]),
                failures=tuple(_without_names(f, case) for f in failed[case.case_id]),
                figures=_embedded(told.figures, settings) if case.case_id in shown else (),
                notes=tuple(without_local_names(note, case) for note in told.notes),
                is_open=len(cases) <= settings.max_open_cases,
            )
        )
    kinds = sorted({_UNITS[row.modality] for row in predictions})
    return PageContent(
        record=record,
        counts=Counter(content.outcome for content in contents),
        cases=tuple(contents),
        totals=_totals(predictions, colours),
        units=kinds[0] if len(kinds) == 1 else "units",
        num_without_figures=len(with_figures) - len(shown),
        settings=settings,
    )


def _check_cases_known(cases: Sequence[CaseRow], named: set[str]) -> None:
    unknown = sorted(named - {case.case_id for case in cases})
    if unknown:
        raise ValueError(f"not among the cases: {unknown[:3]}")


def _without_names(failure: FailureRow, case: CaseRow) -> FailureRow:
    reason, hint = (without_local_names(text, case) for text in (failure.reason, failure.hint))
    return replace(failure, reason=reason, hint=hint)


def _embedded(
    figures: Iterable[CaseFigure], settings: ReportSettings
) -> tuple[tuple[CaseFigure, str], ...]:
    embedded = []
    for figure in figures:
        width_px = settings.wide_figure_px if figure.is_wide else settings.figure_px
        embedded.append((figure, embed_picture(figure.path, width_px=width_px)))
    return tuple(embedded)


def _task_colours(task: TaskRecord) -> dict[str, str]:
    colours = class_colours(tuple(task.prompts), neutral=task.normal)
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in colours.items()}


def _result(row: PredictionRow, colours: Mapping[str, str]) -> ResultContent:
    ranked = sorted(row.probabilities.items(), key=lambda item: -item[1])
    predicted = _predicted(row)
    bars = tuple(
        score_bar(name, share, colours.get(name, PLAIN_COLOUR), is_prediction=name in predicted)
        for name, share in ranked[:_MAX_BARS]
    )
    facts: list[tuple[str, str]] = []
    if row.node_path is not None and row.node_confidence is not None:
        path = " > ".join(row.node_path)
        facts.append(("Reported as", path or "undecided: no node is certain enough"))
        if path:
            certainty = score_bar("", row.node_confidence, PLAIN_COLOUR).text
            facts.append(("Its probability", certainty))
    if row.node:
        facts.append(("Concept", row.node))
    if row.prediction_set:
        facts.append(("Cannot be excluded", ", ".join(row.prediction_set)))
    if row.interval_low is not None and row.interval_high is not None:
        facts.append(("Interval", f"{row.interval_low:.3f} to {row.interval_high:.3f}"))
    facts += [(f"Rule {name}", f"{score:.4g}") for name, score in row.scores.items()]
    return ResultContent(
        row=row,
        units=_UNITS[row.modality],
        bars=bars,
        num_hidden=len(ranked) - len(bars),
        facts=tuple(facts),
    )


def _predicted(row: PredictionRow) -> tuple[str, ...]:
    """Return the predicted class, or all findings that are there, or the word for none."""
    if row.prediction is None:
        return ()
    return row.findings or (row.prediction,)


def _totals(
    predictions: Sequence[PredictionRow], colours: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, str, tuple[ScoreBar, ...]], ...]:
    """Count the cases of each class, by task and model, in the order of first occurrence.

    A case with several findings counts for each of them.
    """
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    judged: Counter[tuple[str, str]] = Counter()
    for row in predictions:
        if row.prediction is not None:
            found[row.task, row.model].update(_predicted(row))
            judged[row.task, row.model] += 1
    return tuple(
        (task, model, _count_bars(counter, judged[task, model], colours.get(task, {})))
        for (task, model), counter in found.items()
    )


def _count_bars(
    counter: Counter[str], num_cases: int, colours: Mapping[str, str]
) -> tuple[ScoreBar, ...]:
    """Return a bar per class that occurs, in the order of the task, as a share of the cases."""
    names = [*(n for n in colours if n in counter), *sorted(set(counter) - set(colours))]
    return tuple(
        replace(
            score_bar(name, counter[name] / num_cases, colours.get(name, PLAIN_COLOUR)),
            text=str(counter[name]),
        )
        for name in names
    )

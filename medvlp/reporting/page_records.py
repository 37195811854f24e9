"""What the report says, as plain records: the template only lays it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.config.run_selections import RunSelection
    from medvlp.config.runs import CaseRow, FailureRow, PredictionRow, RunRecord, TaskRecord

__all__ = [
    "PLAIN_COLOUR",
    "CaseContent",
    "CaseDetails",
    "CaseFigure",
    "PageContent",
    "ReportSettings",
    "ResultContent",
    "ScoreBar",
    "score_bar",
]

PLAIN_COLOUR = "#6e7781"
"""Colour of a bar whose class has none."""


@dataclass(frozen=True, kw_only=True)
class CaseFigure:
    """A picture of a case in the report.

    Attributes:
        path: The picture file in the folder of the case.
        title: What it is, in a few words.
        description: What it shows, for readers who do not see it.
        is_wide: Whether it takes the whole width of the page (a sheet of tiles).
    """

    path: Path
    title: str
    description: str
    is_wide: bool = False


@dataclass(frozen=True, kw_only=True)
class CaseDetails:
    """What the report tells about a case beyond the tables.

    Attributes:
        figures: Pictures, in the order to show.
        notes: Sentences about the case, such as the rule that decided.
    """

    figures: tuple[CaseFigure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Limits that keep the page of a large run small enough to open.

    Attributes:
        max_illustrated_cases: How many cases have their pictures in the page: the first that have
            any. All pictures are in the folders of the cases.
        figure_px: Largest width of a picture in the page, in pixels.
        wide_figure_px: The same for a picture that takes the whole width.
        max_prompts: How many prompts of a class are listed; ``run.json`` has all.
        max_open_cases: Up to how many cases are unfolded when the page opens.
    """

    max_illustrated_cases: int = 40
    figure_px: int = 720
    wide_figure_px: int = 1000
    max_prompts: int = 60
    max_open_cases: int = 4


@dataclass(frozen=True, kw_only=True)
class ScoreBar:
    """A class and its share.

    Attributes:
        name: The class.
        text: The share in figures.
        width: The share as a length, such as ``82.0%``.
        colour: The colour of the class on the maps.
        is_prediction: Whether the class is the predicted one.
    """

    name: str
    text: str
    width: str
    colour: str
    is_prediction: bool = False


@dataclass(frozen=True, kw_only=True)
class ResultContent:
    """A prediction with what the table and the section of its case show.

    Attributes:
        row: The prediction.
        units: What the prediction rests on: tiles, boxes or images.
        bars: The classes with the highest shares, highest first.
        num_hidden: How many classes have no bar.
        facts: Names and values: scores of the rules, interval, node, set.
    """

    row: PredictionRow
    units: str
    bars: tuple[ScoreBar, ...]
    num_hidden: int
    facts: tuple[tuple[str, str], ...]

    @property
    def confidence_bar(self) -> ScoreBar | None:
        """The predicted class with the confidence of the prediction, where there is one."""
        if self.row.prediction is None or self.row.confidence is None:
            return None
        colours = {bar.name: bar.colour for bar in self.bars}
        colour = colours.get(self.row.prediction, PLAIN_COLOUR)
        return score_bar(self.row.prediction, self.row.confidence, colour)

    @property
    def nothing_found(self) -> str:
        """What to say where there was nothing to judge."""
        return "Nothing but air found" if self.row.modality == "ct" else "No tissue found"

    @property
    def runner_up(self) -> ScoreBar | None:
        """The class with the highest share that is not predicted."""
        return next((bar for bar in self.bars if not bar.is_prediction), None)

    @property
    def reported_as(self) -> tuple[str, str] | None:
        """Name and probability of the node that the case is reported at, where one was sought."""
        row = self.row
        if row.node_path is None or row.node_confidence is None:
            return None
        if not row.node_path:
            return "undecided", ""
        name = row.node_path[-1]
        return name, score_bar(name, row.node_confidence, PLAIN_COLOUR).text

    @property
    def possible_classes(self) -> str:
        """The prediction set in a few words, empty where there is none."""
        names = self.row.prediction_set or ()
        if len(names) > 1 and len(names) == len(self.row.probabilities):
            return f"all {len(names)} classes"
        return ", ".join(names)


@dataclass(frozen=True, kw_only=True)
class CaseContent:
    """A case with all that is shown of it.

    Attributes:
        anchor: Name of its section in the page; says nothing about the case.
        row: Names of the case.
        results: Its predictions.
        failures: What failed.
        figures: Pictures and their data URIs.
        notes: Sentences about the case.
        is_open: Whether its section is unfolded at first.
    """

    anchor: str
    row: CaseRow
    results: tuple[ResultContent, ...]
    failures: tuple[FailureRow, ...]
    figures: tuple[tuple[CaseFigure, str], ...]
    notes: tuple[str, ...]
    is_open: bool

    @property
    def outcome(self) -> str:
        """One of the outcomes that the head of the page counts."""
        statuses = {result.row.status for result in self.results}
        if "diagnosed" in statuses:
            return "with a prediction"
        if "no-tissue" in statuses:
            return "only air" if self.results[0].row.modality == "ct" else "no tissue"
        return "failed" if self.failures else "not reached"


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """Everything on the page.

    Attributes:
        record: What was done.
        counts: How many cases had which outcome.
        cases: All cases.
        totals: How often each class was predicted, by task and model.
        units: What is counted per case.
        num_without_figures: How many cases have pictures that are not in the page.
        settings: Limits of the page.
    """

    record: RunRecord
    counts: Mapping[str, int]
    cases: tuple[CaseContent, ...]
    totals: tuple[tuple[str, str, tuple[ScoreBar, ...]], ...]
    units: str
    num_without_figures: int
    settings: ReportSettings

    @property
    def failures(self) -> list[FailureRow]:
        """What failed, in the order of the cases."""
        return [failure for case in self.cases for failure in case.failures]

    @property
    def has_nodes(self) -> bool:
        """Whether cases are reported at nodes of a graph."""
        return any(result.row.node_path is not None for result in self._results())

    @property
    def has_sets(self) -> bool:
        """Whether there are prediction sets."""
        return any(result.row.prediction_set is not None for result in self._results())

    @property
    def calibration_note(self) -> str:
        """What the confidences on the page are worth, in one sentence."""
        known = {(found.model, found.task) for found in self.record.calibrations}
        pairs = {(result.row.model, result.row.task) for result in self._results()}
        if not known or not pairs & known:
            return (
                "Confidence and scores come from a zero-shot model and are not calibrated "
                "probabilities."
            )
        cases = min(found.num_cases for found in self.record.calibrations)
        scope = "" if pairs <= known else " where a calibration is named under Method"
        return (
            f"Confidence is calibrated{scope} on {cases} labelled cases and holds for cases that "
            "come from where those come from; scores of rules are not calibrated."
        )

    @property
    def selection_warnings(self) -> list[str]:
        """What was chosen on test cases, a sentence each."""
        return [
            f"Chosen on the test set, as a user has allowed: {_whose(found)}, "
            f"{found.record.summary()}."
            for found in self.record.selections or ()
            if found.on_test
        ]

    @property
    def selection_facts(self) -> list[tuple[str, str]]:
        """What was chosen for each model and task, and on what."""
        return [
            (_whose(found), found.record.summary() + (", test cases" if found.on_test else ""))
            for found in self.record.selections or ()
        ]

    @staticmethod
    def threshold_text(task: TaskRecord) -> str:
        """Return the threshold of a task, or those of its findings, and where they are from.

        Args:
            task: What the record says of the task.
        """
        told = task.threshold
        if not told:
            return ""
        values = told.get("values")
        if isinstance(values, Mapping):
            listed = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            return f"{listed}, from {told['from']}"
        return f"{told['value']:.4g}, from {told['from']}"

    def _results(self) -> list[ResultContent]:
        return [result for case in self.cases for result in case.results]

    @property
    def sections(self) -> list[CaseContent]:
        """The cases with more to show than a line of a table."""
        return [case for case in self.cases if case.figures or case.notes or case.results]


def score_bar(name: str, share: float, colour: str, *, is_prediction: bool = False) -> ScoreBar:
    """Make the bar of a share.

    Args:
        name: The class.
        share: Its share, 0 to 1.
        colour: Colour of the bar, as in a style sheet.
        is_prediction: Whether the class is the predicted one.
    """
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    text = f"{share:.3f}"
    if text == "0.000" and share > 0:
        text = "<0.001"
    if text == "1.000" and share < 1:
        text = ">0.999"
    return ScoreBar(name=name, text=text, width=width, colour=colour, is_prediction=is_prediction)


def _whose(found: RunSelection) -> str:
    return f"{found.model} with {found.task}" if found.task else found.model

"""What is kept of a judged scan: a table of its boxes, and views of those that matter most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.config.runs import PROBABILITY_PREFIX
from medvlp.io import case_keys, write_table
from medvlp.reporting.page import CaseFigure
from medvlp.reporting.pictures import save_png
from medvlp.reporting.planes import draw_planes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.config.runs import PredictionRow
    from medvlp.pipelines.scan_desk import ScanDesk
    from medvlp.types import Case
    from medvlp.volumes.features import VolumeFeatures
    from medvlp.volumes.survey import ScanSurvey
    from medvlp.zeroshot.units import CaseVerdict

__all__ = ["MAX_VIEWS", "UNIT_SCORES", "ScanFinding", "scan_notes", "units_to_show"]

MAX_VIEWS = 4
"""How many boxes of a scan are drawn for one model and task; all are in the table."""

UNIT_SCORES = "units"
"""Name, without suffix, of the table of the boxes in the folder of a case."""

_MAX_TOLD = 4


@dataclass(frozen=True, kw_only=True)
class ScanFinding:
    """What one model and task found on a scan.

    Attributes:
        case: The scan.
        row: The line of the prediction table.
        survey: What is known of the scan.
        features: Its features; without boxes where there is nothing but air.
        verdict: The answer of the task's head, None where there is nothing but air.
        desk: Cuts the views.
        notes: Sentences about the finding, such as the rule that decided.
        folder: Name of the subfolder for pictures, empty for the case's own folder.
    """

    case: Case
    row: PredictionRow
    survey: ScanSurvey
    features: VolumeFeatures
    verdict: CaseVerdict | None
    desk: ScanDesk
    notes: tuple[str, ...] = ()
    folder: str = ""

    @property
    def content_sha256(self) -> str:
        """Hash of the scan that was judged."""
        return self.survey.content_sha256

    @property
    def mask_sha256(self) -> str:
        """Hash of the user's mask that boxes were centred by, empty where none was."""
        return self.survey.mask_sha256 if self.features.meta.mask_source == "file" else ""

    def draw(self, place: Path) -> list[CaseFigure]:
        """Write the table of the boxes and the views, and return the pictures for the report."""
        if self.verdict is None:
            return []
        _write_unit_scores(place / UNIT_SCORES, self.features, self.verdict)
        planned = {unit.name: unit for unit in self.survey.units}
        shown = [planned[name] for name in units_to_show(self.verdict)]
        views = self.desk.views(self.case, shown)
        plain = [view.name.replace(" ", "_") for view in views]
        keys = case_keys(plain)
        figures = []
        for view, name in zip(views, plain, strict=True):
            path = place / f"planes_{keys[name]}.png"
            save_png(
                path,
                draw_planes(
                    view.surroundings,
                    view.seen,
                    title=view.name,
                    window_hu=self.desk.embedder.encoder.preprocessing.window_hu,
                ),
            )
            figures.append(_figure(path, view.name, self.verdict, self.row.task))
        return figures


def units_to_show(verdict: CaseVerdict) -> list[str]:
    """Return the boxes to draw: all, or of many those that speak most for the likeliest classes.

    Args:
        verdict: The answer of the task's head.
    """
    if len(verdict.unit_names) <= MAX_VIEWS:
        return list(verdict.unit_names)
    ranked = sorted(verdict.probabilities, key=lambda name: -verdict.probabilities[name])
    strongest = dict.fromkeys(verdict.strongest_units[name] for name in ranked)
    return list(strongest)[:MAX_VIEWS]


def scan_notes(features: VolumeFeatures) -> tuple[str, ...]:
    """Say in sentences what a reader must know of the boxes and of the scan.

    Args:
        features: The features with what was noticed while they were made.
    """
    padded = [
        f"{name}: {share:.0%} of the box lies outside of the scan ({_sides(sides)}) and was filled "
        "with air."
        for name, share, sides in zip(
            features.units, features.padded_share, features.padded_sides, strict=True
        )
        if share > 0
    ]
    cut = [
        f"{name} touches the edge of the scan ({_sides(sides)}): the field of view has probably "
        "cut it."
        for name, sides in zip(features.units, features.cut_sides, strict=True)
        if sides
    ]
    air = (
        [f"{features.meta.num_air} boxes hold nothing but air and were left out."]
        if features.meta.num_air
        else []
    )
    told = [f"{finding.code}: {finding.text}." for finding in features.meta.findings]
    source = features.meta.mask_source
    if source not in ("", "file"):
        told.append(f"The organs were labelled by {source}, and nobody has checked them.")
    return (
        *_few(padded, "boxes lie partly outside of the scan and were filled with air there"),
        *_few(cut, "organs touch the edge of the scan"),
        *air,
        *told,
    )


def _few(sentences: Sequence[str], summary: str) -> list[str]:
    """Return the sentences, or one about all of them where there are many."""
    if len(sentences) <= _MAX_TOLD:
        return list(sentences)
    return [f"{len(sentences)} {summary}; the table of the boxes tells which."]


def _sides(letters: str) -> str:
    return ", ".join(letters)


def _figure(path: Path, name: str, verdict: CaseVerdict, task: str) -> CaseFigure:
    row = verdict.unit_probabilities[verdict.unit_names.index(name)]
    best = int(row.argmax())
    said = f"{verdict.class_names[best]} {row[best]:.3f}"
    return CaseFigure(
        path=path,
        title=f"{name}: {said} is its highest score of {task}",
        description=f"Axial, coronal and sagittal section of {name} in the scan and as the model "
        "saw it",
        is_wide=True,
    )


def _write_unit_scores(path: Path, features: VolumeFeatures, verdict: CaseVerdict) -> None:
    """Write one row for each box that was judged: where it lies, what it lacks, its scores."""
    probabilities = [f"{PROBABILITY_PREFIX}{name}" for name in verdict.class_names]
    rows = [
        {
            "unit": name,
            **dict(zip(("z_mm", "y_mm", "x_mm"), map(float, centre), strict=True)),
            "padded_share": float(padded),
            "padded_sides": padded_sides,
            "cut_sides": cut_sides,
            **dict(zip(probabilities, map(float, scores), strict=True)),
        }
        for name, centre, padded, padded_sides, cut_sides, scores in zip(
            features.units,
            features.coords_mm,
            features.padded_share,
            features.padded_sides,
            features.cut_sides,
            verdict.unit_probabilities,
            strict=True,
        )
    ]
    write_table(path, rows, list(rows[0]))

"""The films of three public sets, what is stated of them, and what their reports say.

A finding's label is stated by a column of the set or by an answer about the film; what nothing
states is missing. Diagnoses are taken from one set only: in the others, the set would tell them.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BOOK_FILE",
    "QUESTIONS",
    "Film",
    "Question",
    "read_films",
    "stated_view",
]

BOOK_FILE = Path(__file__).with_name("book.yaml")
View = Literal["PA", "AP", "LATERAL", "FRONTAL", ""]

LATERAL, FRONTAL = "lateral view", "frontal view"
AP, PA = "anteroposterior projection", "posteroanterior projection"
COVID, OTHER = "COVID-19 pneumonia", "pneumonia of another cause"
_PHRASES: Mapping[View, str] = {
    "PA": "Posteroanterior chest radiograph.",
    "AP": "Anteroposterior chest radiograph.",
    "LATERAL": "Lateral chest radiograph.",
    "FRONTAL": "Frontal chest radiograph.",
    "": "Chest radiograph.",
}
_VIEWS: Mapping[str, View] = {"PA": "PA", "AP": "AP", "AP SUPINE": "AP", "L": "LATERAL"}
_OTHER_INFECTIONS = frozenset(
    ("Streptococcus", "Pneumocystis", "Klebsiella", "Varicella", "Bacterial", "E.Coli")
) | {"Lipoid", "Legionella", "Pneumonia", "Influenza"}
_NAMED_VIEW = re.compile(r"(?:(pa|posteroanterior)|(ap|anteroposterior))(?: x-?ray)?", re.I)
_ASKED_VIEW = re.compile(r"^(?:is|was) this\b.*?\b(?:(pa|posterior anterior)|(ap))\b", re.I)
_MOST_ANSWERS = 6


@dataclass(frozen=True)
class Question:
    """One thing that films are told apart by; scored by two findings, the one less the other.

    Attributes:
        title: What it is called in tables.
        finding: The finding of positives; its label is the truth.
        opposite: The finding of the others.
        target: Least area under the ROC curve; None where it is only printed.
    """

    title: str
    finding: str
    opposite: str
    target: float | None = None


QUESTIONS: Mapping[str, Question] = {
    "lateral": Question("lateral / frontal", LATERAL, FRONTAL, 0.95),
    "ap": Question("AP / PA", AP, PA),
    "covid": Question("COVID-19 / other", COVID, OTHER),
}


@dataclass(frozen=True)
class Film:
    """One picture.

    Attributes:
        source: The set.
        path: The file.
        patient: Patient, unique over all sets; a film of a set without patients is its own.
        report: What is told of it in training.
        labels: Finding -> 1 or 0; lacks what nothing states.
    """

    source: str
    path: Path
    patient: str
    report: str
    labels: Mapping[str, int]

    @property
    def name(self) -> str:
        """Set and name of the file."""
        return f"{self.source}/{self.path.name}"


def read_films(data: Path) -> list[Film]:
    """Read the films that are there, in the order of sets and tables.

    Args:
        data: Folder with ``radiographs/``.

    Raises:
        SystemExit: If none is there.
    """
    root = data / "radiographs"
    films = [*_hannover(root / "hannover"), *_covid(root / "covid_chestxray_nc")]
    films += _answers(root / "vqa_rad")
    films = [film for film in films if film.path.is_file()]
    if not films:
        raise SystemExit(f"{root} holds no films")
    return films


def stated_view(answers: Iterable[tuple[str, str]]) -> View:
    """Return the view that questions and answers about a film state, empty if they do not.

    Args:
        answers: Pairs of question and answer.
    """
    frontal: View = ""
    for question, answer in answers:
        named = _NAMED_VIEW.fullmatch(answer.strip())
        is_yes = answer.strip().lower() == "yes" and " or " not in question
        asked = _ASKED_VIEW.match(question) if is_yes else None
        found = named or asked
        if found is not None:
            return "PA" if found.group(1) else "AP"
        if question.strip() == "Is this a lateral film?":
            is_lateral = answer.strip().lower() == "yes"
            frontal = "LATERAL" if is_lateral else "FRONTAL"
    return frontal


def _hannover(folder: Path) -> list[Film]:
    return [
        Film(
            "hannover",
            folder / row["image"],
            f"hannover {row['patient_id']}",
            _PHRASES[_VIEWS[row["projection"].upper()]],
            _view_labels(_VIEWS[row["projection"].upper()]),
        )
        for row in _rows(folder / "data.csv")
    ]


def _covid(folder: Path) -> list[Film]:
    return [
        Film(
            "covid_chestxray_nc",
            folder / row["image"],
            f"covid {row['patientid']}",
            f"{_PHRASES[_VIEWS[row['view'].upper()]]} {row['clinical_notes']}".strip(),
            {**_view_labels(_VIEWS[row["view"].upper()]), **_diagnoses(row["finding"])},
        )
        for row in _rows(folder / "metadata.csv")
    ]


def _answers(folder: Path) -> list[Film]:
    path = folder / "qa.jsonl"
    told: dict[str, list[tuple[str, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        if row["image_organ"] == "CHEST":
            told.setdefault(row["image"], []).append((row["question"], str(row["answer"])))
    films = []
    for image, pairs in sorted(told.items()):
        view = stated_view(pairs)
        said = [f"{question.strip()} {answer.strip()}." for question, answer in pairs]
        report = " ".join([_PHRASES[view], *said[:_MOST_ANSWERS]])
        films.append(Film("vqa_rad", folder / image, f"vqa {image}", report, _view_labels(view)))
    return films


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _view_labels(view: View) -> dict[str, int]:
    if not view:
        return {}
    is_lateral = int(view == "LATERAL")
    labels = {LATERAL: is_lateral, FRONTAL: 1 - is_lateral}
    return (
        labels
        if view in ("FRONTAL", "LATERAL")
        else labels
        | {
            AP: int(view == "AP"),
            PA: int(view == "PA"),
        }
    )


def _diagnoses(finding: str) -> dict[str, int]:
    is_covid = "COVID-19" in finding
    if is_covid or finding == "No Finding":
        return {COVID: int(is_covid), OTHER: 0}
    return {COVID: 0, OTHER: 1} if finding in _OTHER_INFECTIONS else {COVID: 0}

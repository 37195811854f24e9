"""What is stated of real films, and the book that they are asked by."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.film_experiment.films import BOOK_FILE, QUESTIONS, read_films, stated_view
from medvlp.knowledge.facets import load_finding_book

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("pairs", "view"),
    [
        ([("Is this a PA or AP film?", "PA")], "PA"),
        ([("Is this an AP or PA film?", "AP")], "AP"),
        ([("Is this a PA or AP film?", "yes")], ""),
        ([("Is this in the posterior anterior plane?", "yes")], "PA"),
        ([("was this chest x ray taken in PA format?", "Yes")], "PA"),
        ([("Imaging modality used to take this image?", "PA Xray")], "PA"),
        ([("What is the name of this image's plane?", "Posteroanterior")], "PA"),
        ([("Is this film taken AP?", "no")], ""),
        ([("Is this a lateral film?", "no")], "FRONTAL"),
        ([("Is this a lateral film?", "no"), ("Is this a PA film?", "yes")], "PA"),
        ([("What else do you need?", "Lateral film as well as PA")], ""),
        ([("Can a patient with a metal implant get a CXR?", "yes")], ""),
        ([("Is this patient healthy?", "yes")], ""),
        ([], ""),
    ],
)
def test_stated_view__is_what_an_answer_says(pairs: list[tuple[str, str]], view: str) -> None:
    assert stated_view(pairs) == view


def test_book__tells_more_than_names_of_both_findings_of_every_question() -> None:
    book = load_finding_book(BOOK_FILE)
    for question in QUESTIONS.values():
        for name in (question.finding, question.opposite):
            facets = book.find(name)
            assert facets is not None
            assert facets.name == name
            assert facets.definition
            assert len(facets.appearances) >= 3


def _table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_read_films__takes_labels_where_a_set_states_them(tmp_path: Path) -> None:
    root = tmp_path / "radiographs"
    _table(
        root / "hannover" / "data.csv",
        [{"image": "images/h.jpg", "patient_id": "1", "projection": "ap"}],
    )
    columns = ("image", "patientid", "view", "finding", "clinical_notes")
    covid = [
        ("c1.jpg", "L", "COVID-19", "Normal."),
        ("c2.jpg", "AP Supine", "ARDS", "White."),
        ("c3.jpg", "PA", "Klebsiella", "Dense."),
        ("c4.jpg", "PA", "No Finding", "Clear."),
        ("gone.jpg", "PA", "No Finding", "Not there."),
    ]
    _table(
        root / "covid_chestxray_nc" / "metadata.csv",
        [dict(zip(columns, (image, "1", *rest), strict=True)) for image, *rest in covid],
    )
    answers = [("v.jpg", "CHEST", "Is this a PA film?", "yes"), ("b.jpg", "HEAD", "CT?", "yes")]
    (root / "vqa_rad").mkdir()
    (root / "vqa_rad" / "qa.jsonl").write_text(
        "".join(
            json.dumps({"image": i, "image_organ": o, "question": q, "answer": a}) + "\n"
            for i, o, q, a in answers
        )
    )
    for name in ("hannover/images/h.jpg", "vqa_rad/v.jpg", "vqa_rad/b.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    for image, *_ in covid[:-1]:
        (root / "covid_chestxray_nc" / image).touch()

    films = {film.path.name: film for film in read_films(tmp_path)}
    assert list(films) == ["h.jpg", "c1.jpg", "c2.jpg", "c3.jpg", "c4.jpg", "v.jpg"]
    lateral, ap, diagnosis = (question.finding for question in QUESTIONS.values())
    assert films["h.jpg"].labels[ap] == 1
    assert diagnosis not in films["h.jpg"].labels
    assert films["c1.jpg"].labels[lateral] == 1
    assert ap not in films["c1.jpg"].labels
    assert [films[f"c{n}.jpg"].labels[diagnosis] for n in (1, 2, 3, 4)] == [1, 0, 0, 0]
    other = QUESTIONS["covid"].opposite
    assert [films[f"c{n}.jpg"].labels.get(other) for n in (1, 2, 3, 4)] == [0, None, 1, 0]
    assert films["c2.jpg"].report == "Anteroposterior chest radiograph. White."
    assert films["h.jpg"].patient != films["c1.jpg"].patient
    assert "Is this a PA film? yes." in films["v.jpg"].report


def test_read_films__stops_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no films"):
        read_films(tmp_path)

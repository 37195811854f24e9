"""What stands in the folder that is trained on, and what does not."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.film_experiment.films import Film
from benchmarks.film_experiment.training import (
    SIZE_PX,
    load_recipe,
    prepare_films,
    read_pictures,
    write_manifest,
)
from medvlp.data.radiograph_pairs import read_radiograph_pairs

LATERAL, AP = "lateral view", "anteroposterior projection"


def made_up(folder: Path) -> list[Film]:
    rng = np.random.default_rng(0)
    films = []
    for number in range(4):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (40, 36 + number), np.uint8)).save(path)
        report = f"Report {number}."
        films.append(Film("set", path, f"p{number}", report, {LATERAL: number % 2, AP: 1}))
    return films


def test_write_manifest__withholds_labels_and_reports_of_test_films(tmp_path: Path) -> None:
    films = made_up(tmp_path)
    columns = write_manifest(tmp_path / "films.csv", films, [False, True, False, True])
    with (tmp_path / "films.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train", "test", "train", "test"]
    assert [row[columns[LATERAL]] for row in rows] == ["0", "", "0", ""]
    assert [row[columns[AP]] for row in rows] == ["1", "", "1", ""]
    assert [row["report"] for row in rows] == ["Report 0.", "Withheld.", "Report 2.", "Withheld."]


def test_prepare_films__holds_no_label_of_a_test_film_and_gives_pictures_back(
    tmp_path: Path,
) -> None:
    films = made_up(tmp_path)
    folder = prepare_films(tmp_path / "out", films, [False, False, True, True])
    manifest = read_radiograph_pairs(folder)
    assert all(not row.labels for row in manifest.rows("test"))
    assert all(row.labels[AP] == 1 for row in manifest.rows("train"))
    pictures = read_pictures(folder, films[::-1])
    assert pictures.shape == (4, SIZE_PX, SIZE_PX)
    assert np.array_equal(pictures[::-1], read_pictures(folder, films))
    assert len(np.unique(pictures.reshape(4, -1), axis=0)) == 4


def test_load_recipe__reads_reports_too() -> None:
    options = load_recipe().options
    assert options["data.text"] == "tokens"
    assert all(options[f"model.terms.{name}.weight"] for name in ("report", "local"))

"""One fold by the shipped commands: prepare films, train with the small file, judge the others."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from benchmarks.film_experiment.films import BOOK_FILE, QUESTIONS
from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.data.radiograph_pairs import open_images, read_radiograph_pairs
from medvlp.io import content_sha256
from medvlp.knowledge.facets import load_finding_book
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.pipelines.manifest_cells import hashed_name
from medvlp.training.cli import main as train
from medvlp.training.demo import shipped_config
from medvlp.training.run import BUNDLE_FOLDER
from preprocessing.prepare_radiographs import PrepareRadiographsConfig
from preprocessing.prepare_radiographs import main as prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.film_experiment.films import Film

__all__ = [
    "SIZE_PX",
    "Recipe",
    "ask",
    "load_recipe",
    "prepare_films",
    "read_pictures",
    "train_network",
    "write_manifest",
]

RECIPE_FILE = Path(__file__).with_name("recipe.yaml")
SIZE_PX = 128
_WITHHELD = "Withheld."
_AT_A_TIME = 32
_DIGITS = 6
Count = Annotated[int, Field(ge=2)]


class Recipe(StrictModel):
    """All that decides a cell beside its fold.

    Attributes:
        folds: Number of folds.
        fold_seed: Seed of the folds, and of weights, order and augmentation.
        pixels: Side of the pictures that the regression reads.
        options: Options of ``medvlp train`` over those of the shipped file.
    """

    folds: Count
    fold_seed: int
    pixels: Count
    options: dict[str, float | int | str | bool | None] = Field(default_factory=dict)


def load_recipe(path: Path = RECIPE_FILE) -> Recipe:
    """Read the setting.

    Args:
        path: The file.
    """
    return load_yaml_model(path, Recipe)


def write_manifest(path: Path, films: Sequence[Film], is_test: Sequence[bool]) -> dict[str, str]:
    """Write the table that films are prepared from.

    Labels and reports of test films are left out: nothing but the picture can tell of them.

    Args:
        path: The file.
        films: The films.
        is_test: Whether each is to be judged.

    Returns:
        Finding -> column of its labels.
    """
    names = load_finding_book(BOOK_FILE).names
    columns = {name: f"label_{place}" for place, name in enumerate(names)}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("path", "patient_id", "split", "report", *columns.values()))
        writer.writeheader()
        for film, held in zip(films, is_test, strict=True):
            labels = {} if held else film.labels
            writer.writerow(
                {
                    "path": film.path.resolve(),
                    "patient_id": film.patient,
                    "split": "test" if held else "train",
                    "report": _WITHHELD if held else film.report,
                    **{column: labels.get(name, "") for name, column in columns.items()},
                }
            )
    return columns


def prepare_films(out: Path, films: Sequence[Film], is_test: Sequence[bool]) -> Path:
    """Frame the films of a fold as ``preprocessing.prepare_radiographs`` does.

    Args:
        out: Where to.
        films: The films.
        is_test: Whether each is to be judged.
    """
    out.mkdir(parents=True, exist_ok=True)
    columns = write_manifest(out / "films.csv", films, is_test)
    report = prepare(
        PrepareRadiographsConfig(
            manifest=out / "films.csv",
            out=out / "radiographs",
            size_px=SIZE_PX,
            book=BOOK_FILE,
            label_columns=columns,
            labels_from_reports=False,
        )
    )
    if report.failures:
        first = report.failures[0].reason
        raise SystemExit(f"{len(report.failures)} films cannot be read: {first}")
    return out / "radiographs"


def train_network(out: Path, folder: Path, recipe: Recipe) -> Path:
    """Train with ``configs/devide/small.yaml``, unless that was done, and return the bundle.

    Args:
        out: Folder of the run.
        folder: The films.
        recipe: The setting.
    """
    bundle = out / BUNDLE_FOLDER
    if bundle.exists():
        return bundle
    shutil.rmtree(out, ignore_errors=True)
    options: Mapping[str, object] = {
        "config": shipped_config("devide/small.yaml"),
        "seed_everything": recipe.fold_seed,
        "run.folder": out,
        "run.wandb": "off",
        "run.progress": "false",
        "data.folder": folder,
        **recipe.options,
    }
    words = [f"--{name}={'null' if value is None else value}" for name, value in options.items()]
    if train(["fit", *words]) != 0:
        raise SystemExit(f"training failed in {out.name}")
    return bundle


def read_pictures(folder: Path, films: Sequence[Film]) -> NDArray[np.float32]:
    """Return the framed pictures of films, shape ``(N, S, S)``, float32 in [0, 1].

    Args:
        folder: The prepared folder.
        films: N films of it.
    """
    manifest = read_radiograph_pairs(folder)
    store = open_images(manifest)
    rows = {row.sample_id: row for split in manifest.splits.values() for row in split}
    found = []
    for film in films:
        name = f"{hashed_name(film.patient, '')}_{content_sha256(film.path)[:8]}"
        row = rows[name]
        found.append(store.read(row.image, row.image_crc32))
    return np.stack(found).astype(np.float32) / np.float32(255)


def ask(bundle: Path, pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return question -> what the network answers of each picture, shape ``(N,)``.

    An answer is the probability of the question's finding less that of its opposite, rounded, so
    that equal pictures have equal answers wherever they stand in a batch.

    Args:
        bundle: The network.
        pictures: Shape ``(N, S, S)``, float32.
    """
    model = load_radiograph_bundle(bundle)
    findings = tuple(load_finding_book(BOOK_FILE))
    queries = model.queries(findings)
    parts = [
        model.judge(pictures[start : start + _AT_A_TIME], queries, with_attention=False)
        for start in range(0, len(pictures), _AT_A_TIME)
    ]
    chances = np.concatenate([part.probabilities for part in parts]).astype(np.float64)
    place = {finding.name: number for number, finding in enumerate(findings)}
    return {
        key: np.round(
            chances[:, place[question.finding]] - chances[:, place[question.opposite]], _DIGITS
        )
        for key, question in QUESTIONS.items()
    }

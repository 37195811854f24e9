"""Radiographs of phantom patients, and training by ``medvlp train`` with the shipped file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import yaml

from medvlp.data.radiograph_manifest import INFO_FILE
from medvlp.phantoms.chest.book import phantom_findings_yaml
from medvlp.pipelines.phantom_radiographs import write_phantom_radiograph_pairs
from medvlp.training.cli import main as train
from medvlp.training.demo import shipped_config
from medvlp.training.run import BUNDLE_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.radiograph_experiment.settings import DataSettings, Recipe

__all__ = ["make_pictures", "train_arm", "write_book"]


def make_pictures(folder: Path, data: DataSettings, seed: int) -> tuple[Path, Path]:
    """Write the pictures of a seed, unless they are there.

    Args:
        folder: Where to.
        data: Which.
        seed: Seed of the patients.

    Returns:
        The folder to train on, and the folder to judge on.
    """
    train_folder, test_folder = folder / "train", folder / "test"
    if not (train_folder / INFO_FILE).exists():
        write_phantom_radiograph_pairs(
            train_folder,
            seed=seed,
            n_train=data.train_patients,
            n_val=0,
            size_px=data.size_px,
            prevalence=data.train_prevalence,
        )
    if not (test_folder / INFO_FILE).exists():
        write_phantom_radiograph_pairs(
            test_folder,
            seed=seed,
            n_train=0,
            n_val=0,
            n_test=data.test_patients,
            size_px=data.size_px,
            prevalence=data.test_prevalence,
        )
    return train_folder, test_folder


def write_book(path: Path, arm: str) -> Path:
    """Write what an arm tells of all findings.

    Args:
        path: The file.
        arm: ``facets``, or ``names``: definitions and appearances left out.
    """
    book = yaml.safe_load(phantom_findings_yaml())
    if arm == "names":
        for entry in book["findings"].values():
            entry.pop("definition", None)
            entry.pop("appearances", None)
    path.write_text(yaml.safe_dump(book, sort_keys=False), encoding="utf-8")
    return path


def train_arm(out: Path, pictures: Path, book: Path, recipe: Recipe, *, seed: int) -> Path:
    """Train one arm, unless that was done, and return its bundle.

    Args:
        out: Folder of the run.
        pictures: The pictures to train on.
        book: What is told of findings.
        recipe: The setting.
        seed: Seed of weights, order, augmentation and texts.
    """
    bundle = out / BUNDLE_FOLDER
    if bundle.exists():
        return bundle
    shutil.rmtree(out, ignore_errors=True)
    options: dict[str, object] = {
        "config": shipped_config("devide/phantom.yaml"),
        "seed_everything": seed,
        "run.folder": out,
        "run.wandb": "off",
        "run.progress": "false",
        "data.folder": pictures,
        "data.book": book,
        "data.seed": seed,
        "model.seed": seed,
        "trainer.max_steps": recipe.steps,
        "trainer.max_epochs": -1,
        **recipe.options,
    }
    words = [f"--{name}={'null' if value is None else value}" for name, value in options.items()]
    if train(["fit", *words]) != 0:
        message = f"training failed in {out.name}"
        raise RuntimeError(message)
    return bundle

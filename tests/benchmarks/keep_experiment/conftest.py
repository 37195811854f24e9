"""A small ontology and small folders of tiles, laid out as the real ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.keep_experiment.captions import load_captions
from benchmarks.keep_experiment.concepts import Concepts, load_concepts
from benchmarks.keep_experiment.settings import KnowledgeSettings, Recipe
from benchmarks.keep_experiment.words import Words

LINEAGES = (
    ("4", "disease", ()),
    ("14566", "disease of cellular proliferation", ("4",)),
    ("162", "cancer", ("14566",)),
    ("1324", "lung cancer", ("162",)),
    ("3908", "lung non-small cell carcinoma", ("1324",)),
    ("3910", "lung adenocarcinoma", ("3908",)),
    ("3907", "lung squamous cell carcinoma", ("3908",)),
    ("1520", "colon carcinoma", ("162",)),
    ("234", "colon adenocarcinoma", ("1520",)),
    ("0080199", "colorectal carcinoma", ("162",)),
    ("0050861", "colorectal adenocarcinoma", ("0080199",)),
    ("8618", "oral cavity cancer", ("162",)),
    ("0050866", "oral squamous cell carcinoma", ("8618",)),
    ("2893", "cervix carcinoma", ("162",)),
    ("3744", "cervical squamous cell carcinoma", ("2893",)),
)


def write_ontology(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, name, parents in LINEAGES:
        synonyms = [] if number == "0050861" else [[f"old word for {name}", "EXACT"]]
        lines.append(
            {
                "id": f"DOID:{number}",
                "name": name,
                "definition": f"A disease called {name}.",
                "synonyms": synonyms,
                "parents": [f"DOID:{parent}" for parent in parents],
                "xrefs": [],
            }
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_tiles(
    root: Path, sets: dict[str, dict[str, int]], *, per_group: int = 2, seed: int = 0
) -> Path:
    """Write ``sets``: set to label to number of groups, each of ``per_group`` tiles."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, labels in sets.items():
        for place, (label, groups) in enumerate(labels.items()):
            folder = root / "tiles" / name / label
            folder.mkdir(parents=True, exist_ok=True)
            colour = rng.integers(60, 200, size=3)
            for number in range(groups * per_group):
                rgb = np.clip(colour + rng.normal(0, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(rgb).save(folder / f"{number}.png")
                rows.append(
                    {
                        "path": f"tiles/{name}/{label}/{number}.png",
                        "label": label,
                        "group": f"{place}-{number // per_group}",
                    }
                )
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("path", "label", "group"))
        writer.writeheader()
        writer.writerows(rows)
    return root


SMALL_SETS = {
    "lc25000": {"lung_aca": 4, "lung_scc": 4, "colon_aca": 4},
    "oral_oscc": {"OSCC": 4, "Normal": 4},
    "crc_kather2016": {"TUMOR": 3, "EMPTY": 3},
}


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory) -> Concepts:
    return load_concepts(write_ontology(tmp_path_factory.mktemp("do") / "do.jsonl"))


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        input_px=32,
        embed_dim=16,
        text_width=16,
        text_layers=1,
        vocab_size=400,
        steps=2,
        groups_per_batch=4,
        samples_per_group=2,
        knowledge=KnowledgeSettings(steps=2, concepts_per_batch=4, texts_per_concept=2),
    )


@pytest.fixture(scope="session")
def words(concepts: Concepts, recipe: Recipe) -> Words:
    return Words(concepts, load_captions(), recipe)


@pytest.fixture
def small_root(tmp_path: Path) -> Path:
    write_ontology(tmp_path / "root/knowledge/do_2026-07-31/doid_rebuilt_full.jsonl")
    return write_tiles(tmp_path / "root", SMALL_SETS)


@pytest.fixture
def tile_writer() -> Callable[..., Path]:
    return write_tiles

"""Small images, sources and graphs for tests of pairing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.terms import Term

PARENTS = {
    "DOID:4": (),
    "DOID:14566": ("DOID:4",),
    "DOID:162": ("DOID:14566",),
    "DOID:1": ("DOID:162",),
    "DOID:11": ("DOID:1",),
    "DOID:12": ("DOID:1",),
    "DOID:2": ("DOID:162",),
    "DOID:9": ("DOID:4",),
}
NAMES = {
    "DOID:4": "disease",
    "DOID:14566": "disease of cellular proliferation",
    "DOID:162": "cancer",
    "DOID:1": "lung cancer",
    "DOID:11": "lung adenocarcinoma",
    "DOID:12": "lung squamous cell carcinoma",
    "DOID:2": "colon cancer",
    "DOID:9": "gout",
}


@pytest.fixture(scope="session")
def graph() -> KnowledgeGraph:
    """A little ontology of cancers."""
    return KnowledgeGraph(
        Term(id=id_, name=NAMES[id_], synonyms=(), definitions=(), parents=parents, xrefs=())
        for id_, parents in PARENTS.items()
    )


def make_picture(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """A smooth random colour picture; different seeds look different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 225, size=(6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def picture() -> Callable[..., Image.Image]:
    """The function that makes pictures."""
    return make_picture


@pytest.fixture
def save_picture(tmp_path: Path) -> Callable[..., Path]:
    """Save a picture below the test's folder and return its path."""

    def save(name: str, seed: int, size: tuple[int, int] = (96, 96), **options: object) -> Path:
        path = tmp_path / name
        make_picture(seed, size).save(path, **options)
        return path

    return save

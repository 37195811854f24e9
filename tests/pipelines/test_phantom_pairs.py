"""Phantom slides become tile-caption pairs that say what the truth says."""

from pathlib import Path

import pytest

from medvlp.data.pairs import read_pairs
from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.cohort import write_cohort
from medvlp.phantoms.ontology import concept_of
from medvlp.pipelines.phantom_pairs import write_phantom_pairs
from medvlp.slides.tiling import TilingConfig


@pytest.fixture(scope="module")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantom_pairs")
    slides = write_cohort(
        root / "slides",
        slides_per_diagnosis=1,
        seed=2,
        size_px=(2048, 2048),
        diagnoses=("papillary", "glandular"),
    )
    paths = [slide.path for slide in slides]
    assert write_phantom_pairs(paths, root / "pairs", TilingConfig(), seed=0) > 10
    return root / "pairs"


def test_write_phantom_pairs__keeps_the_scale(pairs_folder: Path) -> None:
    info = read_pairs(pairs_folder).info
    assert (info.modality, info.mpp, info.tile_px) == ("slide", 0.5, 256)


def test_write_phantom_pairs__groups_tiles_by_tissue_and_slide(pairs_folder: Path) -> None:
    rows = read_pairs(pairs_folder).rows("train")
    assert len({row.sample_id for row in rows}) == len(rows)
    tissue_of = {concept_of(item.key): item for item in CLASSES}
    concept_of_group = {row.group_id: row.concept_ids for row in rows}
    assert len(concept_of_group) > 2
    for row in rows:
        assert row.concept_ids == concept_of_group[row.group_id]
        names = [name.lower() for name in tissue_of[row.concept_ids[0]].names]
        assert any(name in text.lower() for text in row.captions for name in names), row

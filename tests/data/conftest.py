"""A small folder of pairs, made on the spot."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.data.pairs import PairRecord, write_pairs


def make_records(count: int = 10) -> list[PairRecord]:
    rng = np.random.default_rng(0)
    kinds = ("clear cell carcinoma", "papillary carcinoma", "normal tissue")
    return [
        PairRecord(
            sample_id=f"tile_{index:03d}",
            image=np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((6, 6, 1))).astype(np.uint8),
            captions=(f"an image of {kinds[index % 3]}", f"{kinds[index % 3]}, tile {index}"),
            group_id=index % 3,
            concept_ids=() if index % 3 == 2 else (f"DOID:{4450 + index % 3}",),
            split="train" if index < count - 3 else "validation",
            source="made for a test",
            licence="CC0-1.0",
        )
        for index in range(count)
    ]


@pytest.fixture
def records() -> list[PairRecord]:
    return make_records()


@pytest.fixture
def pairs_folder(tmp_path, records) -> Path:
    folder = tmp_path / "pairs"
    options = {"mpp": 0.5, "tile_px": 24, "encoding": "png", "samples_per_shard": 4}
    write_pairs(folder, records, modality="slide", **options)
    return folder

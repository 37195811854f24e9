"""A small folder of pairs, a smoke configuration, and the arguments that train on it."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.data.pairs import PairRecord, write_pairs

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SMOKE = CONFIGS / "smoke" / "clip.yaml"


def striped_tile(kind: int, rng: np.random.Generator) -> np.ndarray:
    """Return a 32-px tile whose stripes lie along rows (kind 0), columns (1) or nowhere (2)."""
    wave = 60 * np.sign(np.sin(np.arange(32) * 0.8 + rng.uniform(0, 6)))
    pattern = {0: wave[:, None], 1: wave[None, :], 2: rng.normal(0, 40, (32, 32))}[kind]
    tile = 150 + pattern + rng.normal(0, 5, (32, 32))
    return np.repeat(np.clip(tile, 0, 255)[..., None], 3, axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def striped_pairs(tmp_path_factory) -> Path:
    """Tiles of rows, columns and noise with captions that say so; 48 to train, 12 to validate."""
    rng = np.random.default_rng(0)
    names = ("horizontal rows", "vertical columns", "plain noise")
    folder = tmp_path_factory.mktemp("striped") / "pairs"
    records = [
        PairRecord(
            sample_id=f"tile_{index:03d}",
            image=striped_tile(index % 3, rng),
            captions=(names[index % 3], f"an image of {names[index % 3]}"),
            group_id=index % 3,
            split="train" if index < 48 else "validation",
        )
        for index in range(60)
    ]
    write_pairs(folder, records, modality="slide", mpp=0.5, tile_px=32, encoding="png")
    return folder


@pytest.fixture
def smoke_args(striped_pairs, tmp_path) -> list[str]:
    return [
        "fit",
        f"--config={SMOKE}",
        f"--data.folder={striped_pairs}",
        f"--run.folder={tmp_path / 'run'}",
    ]

"""A small folder of bags, packed from plain HDF5 files."""

from pathlib import Path

import h5py
import numpy as np

from medvlp.jobs.progress import NullProgress
from medvlp.pipelines.pack_bags import pack_bags

LENGTHS = (5, 40, 12, 7, 33, 20, 9)
DIM = 6


def write_features(path: Path, rows: int, seed: int, dim: int = DIM) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, dim)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["features"] = features
        file["coords"] = rng.integers(0, 9000, (rows, 2))
    return features


def write_bags(folder: Path, lengths=LENGTHS, per_shard: int = 3) -> dict[str, np.ndarray]:
    source = folder.parent / f"{folder.name}.h5s"
    source.mkdir()
    features = {
        f"slide{n}": write_features(source / f"slide{n}.h5", rows, n)
        for n, rows in enumerate(lengths)
    }
    files = {path.stem: path for path in sorted(source.iterdir())}
    splits = {f"slide{len(lengths) - 1}": "validation"}
    pack_bags(files, folder, splits=splits, bags_per_shard=per_shard, progress=NullProgress())
    return features

"""Folders of feature files and tables of labels, made up so that what is right is known."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from medvlp.probing.feature_folder import CaseFeatures, FeatureFolder
from medvlp.slides.features import FeatureMeta, SlideFeatures, write_features
from medvlp.volumes.features import write_volume_features
from tests.volumes.feature_samples import make_features

SLIDE_META = FeatureMeta(
    case_key="",
    encoder="timm:tiny",
    weights_sha256="a1" * 32,
    is_projected=False,
    is_normalized=False,
    precision="fp32",
    level0_size_px0=(900, 900),
    level0_mpp_xy=(0.5, 0.5),
    mpp_source="metadata",
    target_mpp=0.5,
    true_mpp_xy=(0.5, 0.5),
    tile_px=256,
    tile_px0=(256, 256),
    step_px0=(256, 256),
    overlap=0.0,
    read_level=0,
    resampler="PIL bicubic",
    reader="openslide 4.0.1",
    slide_sha256="",
    params_sha256="c3" * 32,
    tissue={},
    medvlp_version="0.1.0",
)


def write_slide(folder: Path, key: str, tiles, **meta) -> None:
    """Write the features of a slide; its content is named after the key unless given."""
    tiles = np.asarray(tiles, dtype=np.float32)
    none = np.zeros((0, 2), np.int64)
    told = {"case_key": key, "slide_sha256": key.ljust(64, "0")} | meta
    write_features(
        folder / f"{key}.h5",
        SlideFeatures(
            tiles,
            np.zeros((len(tiles), 2), np.int64),
            none,
            np.zeros(0, np.uint8),
            replace(SLIDE_META, **told),
        ),
    )


def write_scan(folder: Path, key: str, vectors, units, **meta) -> None:
    """Write the features of a scan."""
    vectors = np.asarray(vectors, dtype=np.float32)
    made = make_features(len(vectors), vectors.shape[1])
    told = {"case_key": key, "scan_sha256": key.ljust(64, "0")} | meta
    write_volume_features(
        folder / f"{key}.h5",
        replace(made, features=vectors, units=tuple(units), meta=replace(made.meta, **told)),
    )


def write_rows(path: Path, rows) -> Path:
    """Write a table of labels."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def cohort(num: int, seed: int = 0, *, strength: float = 1.5, dim: int = 6):
    """Return vectors of which the first number tells the class and the hazard, and label rows."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, num)
    vectors = rng.standard_normal((num, dim))
    vectors[:, 0] += strength * label
    death = rng.exponential(20 * np.exp(-1.2 * (vectors[:, 0] - strength / 2)))
    leaving = rng.uniform(6, 70, num)
    rows = [
        {
            "case_id": f"c{i:03d}",
            "patient_id": f"p{i:03d}",
            "tumour": ("benign", "malignant")[label[i]],
            "months": round(float(min(death[i], leaving[i])) + 0.1, 3),
            "event": int(death[i] <= leaving[i]),
            "site": "AB"[i % 2],
        }
        for i in range(num)
    ]
    return vectors, rows


def write_cohort(folder: Path, num: int = 80, **settings):
    """Write one slide with two tiles per case, and the table; return both paths."""
    vectors, rows = cohort(num, **settings)
    features = folder / "features" / "tiny"
    features.mkdir(parents=True)
    for vector, row in zip(vectors, rows, strict=True):
        write_slide(features, row["case_id"], [vector - 0.5, vector + 0.5])
    return features, write_rows(folder / "labels.csv", rows)


def folder_of(vectors, ids) -> FeatureFolder:
    """Return a folder in memory."""
    cases = {
        name: CaseFeatures(name, "slide", ("slide",), np.asarray([vector], float), "e", name)
        for name, vector in zip(ids, vectors, strict=True)
    }
    return FeatureFolder(Path("features"), "slide", "e", cases)

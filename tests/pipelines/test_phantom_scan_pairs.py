"""Phantom kidneys make a folder of crops that agrees with what cropping their scans would give."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.data.scan_store import CropStore
from medvlp.phantoms.abdomen.cohort import write_scan_cohort
from medvlp.phantoms.abdomen.findings import ATTRIBUTES
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.pipelines.phantom_scan_pairs import write_phantom_scan_pairs
from preprocessing.crop_organs import CropOrgansConfig, main

SMALL = {"shape_zyx": (12, 16, 16), "spacing_mm": (8.0, 6.0, 6.0), "margin_zyx": (2, 4, 4)}


def test_write_phantom_scan_pairs__agrees_with_cropping_whole_scans(tmp_path: Path) -> None:
    grid = {"shape_zyx": (64, 96, 110), "spacing_mm": (4.5, 4.0, 4.0)}
    box = {"shape_zyx": (18, 26, 26), "spacing_mm": (6.0, 5.0, 5.0), "margin_zyx": (0, 0, 0)}
    write_scan_cohort(tmp_path / "cohort", patients=2, seed=6, phases=("A",), noise_hu=0, **grid)
    main(CropOrgansConfig(manifest=tmp_path / "cohort/manifest.csv", out=tmp_path / "cut", **box))
    options = {"patients": 2, "seed": 6, "phases": ("A",), "noise_hu": 0}
    write_phantom_scan_pairs(tmp_path / "made", **options, **box)
    cut, made = (read_scan_pairs(tmp_path / name) for name in ("cut", "made"))
    assert cut.info.attributes == made.info.attributes
    assert cut.info.stored_shape_zyx == made.info.stored_shape_zyx
    one, two = (
        [r for s in ("train", "validation", "test") for r in m.splits.get(s, ())]
        for m in (cut, made)
    )
    for first, second in zip(sorted(one, key=by_crop), sorted(two, key=by_crop), strict=True):
        assert (first.side, first.phase, first.split) == (second.side, second.phase, second.split)
        assert (first.report, first.attributes) == (second.report, second.attributes)
        assert (first.months, first.event) == (second.months, second.event)
        values = [
            CropStore(m.folder / "crops.b2nd", 4, m.info.stored_shape_zyx).read(
                r.crop, r.crop_crc32
            )
            for m, r in ((cut, first), (made, second))
        ]
        # Middles are rounded to the grid of the scan, so the boxes may lie a voxel apart.
        likeness = {
            turn: max(
                alike(values[0], np.roll(turned(values[1], turn), by, (0, 1, 2))) for by in SHIFTS
            )
            for turn in ("", "z", "y", "x")
        }
        assert likeness[""] > 0.8, likeness
        assert max(likeness, key=lambda turn: likeness[turn]) == ""


SHIFTS = list(itertools.product((-1, 0, 1), repeat=3))


def turned(values: np.ndarray, axis: str) -> np.ndarray:
    return np.flip(values, "zyx".index(axis)) if axis else values


def alike(one: np.ndarray, other: np.ndarray) -> float:
    inner = (slice(3, -3), slice(4, -4), slice(4, -4))
    return float(np.corrcoef(one[inner].ravel(), other[inner].ravel())[0, 1])


def by_crop(row) -> int:
    return row.crop


def test_write_phantom_scan_pairs__can_state_the_truth(tmp_path: Path) -> None:
    write_phantom_scan_pairs(
        tmp_path, patients=3, seed=1, attributes="truth", splits=("train",) * 3, **SMALL
    )
    manifest = read_scan_pairs(tmp_path)
    assert manifest.info.attributes == ATTRIBUTES
    assert len(manifest.rows("train")) == 3 * 2 * 4
    for row in manifest.rows("train"):
        patient = draw_patient(100_000 + manifest.patients.index(row.patient))
        words = patient.attributes[row.side]
        for index, name in zip(row.attributes, ATTRIBUTES, strict=True):
            assert (None if index < 0 else ATTRIBUTES[name][index]) == words[name]
        has_mass = patient.kidneys[row.side].mass is not None
        assert row.malignant == (int(patient.is_malignant[row.side]) if has_mass else -1)


def test_write_phantom_scan_pairs__gives_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_phantom_scan_pairs(tmp_path / name, patients=1, seed=2, phases=("N",), **SMALL)
    for name in ("scan_pairs.json", "samples.parquet", "crops.b2nd"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_write_phantom_scan_pairs__wants_a_split_for_each_patient(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_phantom_scan_pairs(tmp_path, patients=2, seed=2, splits=("train",), **SMALL)


def test_write_phantom_scan_pairs__centres_on_tumours(tmp_path: Path) -> None:
    options = {"patients": 6, "seed": 3, "phases": ("A",), "noise_hu": 0, "splits": ("train",) * 6}
    write_phantom_scan_pairs(tmp_path, centre_on="tumour", **options, **SMALL)
    patients = [draw_patient(300_000 + number) for number in range(6)]
    masses = [(p, side) for p in patients for side in p.kidneys if p.kidneys[side].mass]
    manifest = read_scan_pairs(tmp_path)
    assert [row.side for row in manifest.rows("train")] == [side for _, side in masses]
    assert {row.malignant for row in manifest.rows("train")} <= {0, 1}

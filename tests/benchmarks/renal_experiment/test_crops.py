"""Crops are centred on the mass, or on the kidney, and say what the report says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blosc2

from benchmarks.renal_experiment.crops import make_crops
from benchmarks.renal_experiment.settings import DataSettings
from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.phantoms.abdomen.patients import draw_patient

if TYPE_CHECKING:
    from pathlib import Path

DATA = DataSettings(
    train_patients=6,
    test_patients=2,
    shape_zyx=(8, 8, 8),
    spacing_mm=(2.0, 2.0, 2.0),
    margin_zyx=(0, 0, 0),
    phases=("V",),
    few_share=0.5,
)


def test_make_crops__centres_a_kidney_with_a_mass_on_it(tmp_path: Path) -> None:
    make_crops(tmp_path, DATA, 100)
    manifest = read_scan_pairs(tmp_path)
    assert (len(manifest.rows("train")), len(manifest.rows("test"))) == (12, 4)
    rows = sorted([*manifest.rows("train"), *manifest.rows("test")], key=lambda row: row.crop)
    crops = blosc2.open(str(tmp_path / "crops.b2nd"))
    middles = {}
    for number in range(8):
        patient = draw_patient(100 * 100_000 + number)
        for row in rows[2 * number : 2 * number + 2]:
            mass = patient.kidneys[row.side].mass
            assert (row.malignant >= 0) == (mass is not None)
            if mass is not None and mass.kind == "complex cyst":
                middles[row.sample_id] = float(crops[row.crop][3:5, 3:5, 3:5].mean())
    assert middles, "the patients of this seed have such masses"
    for middle in middles.values():
        assert -30 < middle < 100, "fluid is darker than the kidney and brighter than its fat"

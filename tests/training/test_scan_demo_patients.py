"""Patients of the demo on scans: one mass each, kinds in turn, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.io import read_csv
from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass
from medvlp.phantoms.abdomen.patients import make_patient
from medvlp.training.scan_demo_patients import KINDS, kind_of, write_demo_patients

if TYPE_CHECKING:
    from pathlib import Path

PLACE = {"size_mm": 40.0, "exophytic": 0.3, "direction": (0.0, -1.0, 0.0)}


def kind(**masses: Mass) -> str | None:
    sides = {side: KidneyFindings(mass=masses.get(side)) for side in ("left", "right")}
    return kind_of(make_patient(1, **sides))


def test_kind_of__names_the_one_mass() -> None:
    solid = Mass(kind="solid", **PLACE)
    assert kind(left=solid) == "solid mass without fat"
    assert kind(right=Mass(kind="solid", has_fat=True, **PLACE)) == "angiomyolipoma"
    assert kind(left=Mass(kind="complex cyst", **PLACE)) is None
    assert kind() is None
    assert kind(left=solid, right=solid) is None


def test_write_demo_patients__takes_kinds_in_turn_and_holds_some_out(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(2):
        write_demo_patients(
            tmp_path, patients=10, seed=7, is_known=True, on_scan=lambda: seen.append(1)
        )
    assert len(seen) == 10, "a finished cohort is left as it is"
    rows = read_csv(tmp_path / "manifest.csv")
    assert [row["kind"] for row in rows] == list(KINDS) * 5
    assert [row["split"] for row in rows] == ["train"] * 8 + ["test"] * 2
    assert all((tmp_path / row["path"]).exists() for row in rows)
    labels = read_csv(tmp_path / "kidneys.csv")
    assert len(labels) == 20
    assert {label["malignant"] for label in labels} <= {"0", "1"}

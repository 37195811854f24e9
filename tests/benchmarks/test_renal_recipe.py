"""All arms on a handful of patients: every cell is kept, found again, and reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import renal_recipe
from benchmarks.renal_experiment import training
from benchmarks.renal_experiment.settings import ARMS

if TYPE_CHECKING:
    from pathlib import Path

TINY = {
    "data": {
        "train_patients": 24,
        "test_patients": 12,
        "shape_zyx": [8, 16, 16],
        "spacing_mm": [18.0, 9.0, 9.0],
        "margin_zyx": [0, 2, 2],
        "phases": ["A"],
        "few_share": 0.5,
    },
    "image": {"depth": 10, "width": 4},
    "attributes": {"steps": 2, "few_steps": 2, "batch_size": 8},
    "alignment": {"steps": 2, "few_steps": 2, "batch_size": 8},
}
ARGUMENTS = ["--seeds", "100", "--draws", "5", "--recipe", json.dumps(TINY)]


def run(tmp_path: Path, *more: str) -> dict[str, object]:
    places = ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "report.json")]
    assert renal_recipe.main([*ARGUMENTS, *places, *more]) == 0
    return dict(json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["figures"])


@pytest.mark.slow
def test_main__reports_every_arm_and_finds_cells_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(tmp_path)
    assert set(found["arms"]) == set(ARMS)
    assert len(found["differences"]) == len(renal_recipe.COMPARISONS)
    assert len(found["targets"]) == 2
    assert sorted(path.stem for path in (tmp_path / "report").iterdir()) == sorted(
        f"{arm}_seed100" for arm in ARMS
    )
    assert "stage 1, then alignment" in capsys.readouterr().out

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is trained twice")

    monkeypatch.setattr(training, "train", refuse)
    assert run(tmp_path)["arms"] == found["arms"]

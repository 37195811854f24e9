"""``medvlp demo --recipe renalclip``: the whole way, from nothing to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medvlp.cli.commands.scan_demo import run_scan_demo
from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.training.demo import claim_demo
from medvlp.training.scan_demo import ScanDemoSettings

if TYPE_CHECKING:
    from pathlib import Path

TINY = ScanDemoSettings(train_patients=42, test_patients=3, attribute_steps=2, alignment_steps=2)


def test_demo__takes_a_recipe_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim_demo(tmp_path, {"seed": 1})
    assert main(["demo", "--recipe", "renalclip", "--out", str(tmp_path)]) == 2
    assert "MV1110" in capsys.readouterr().err
    assert main(["demo", "--recipe", "merlin", "--out", str(tmp_path)]) == 2


@pytest.mark.slow
def test_run_scan_demo__goes_the_whole_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    assert run_scan_demo(tmp_path, TINY, told.append, lambda: 0.0) == 0
    text = capsys.readouterr().out
    assert "of 3 masses of unseen scans named as painted, by a model trained on 34 kidneys" in text
    assert "on 8 further kidneys" in text
    assert "AUROC" in text
    run = tmp_path / "run"
    assert {row.status for row in read_predictions(run)} == {"diagnosed"}
    assert str(run / "report.html") in text
    assert run_scan_demo(tmp_path, TINY, told.append, lambda: 0.0) == 0
    assert sum("training" in line for line in told) == 1, "a finished demo is read, not made again"

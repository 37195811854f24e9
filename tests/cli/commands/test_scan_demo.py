"""``medvlp demo --recipe renalclip``: the whole way, from nothing to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_demo__looks_for_masses_in_scans_it_has_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["demo", "--recipe", "renalclip", "--out", str(tmp_path / "demo")]
    assert main(words) == 0
    text = capsys.readouterr().out
    right, _, total = text.split(" unseen scans")[0].splitlines()[-1].split()
    assert int(total) == 12
    assert int(right) >= 8
    run = tmp_path / "demo" / "run"
    assert {row.status for row in read_predictions(run)} == {"ok"}
    assert str(run / "report.html") in text
    assert main(words) == 0, "a finished demo is read, not made again"

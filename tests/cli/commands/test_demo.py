"""``medvlp demo``: the whole way, from nothing to a report."""

from pathlib import Path

import pytest

from medvlp.cli.main import main


@pytest.mark.slow
def test_demo__diagnoses_slides_it_has_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["demo", "--out", str(tmp_path / "demo")]
    assert main(words) == 0
    text = capsys.readouterr().out
    right, _, total = text.split(" unseen slides")[0].splitlines()[-1].split()
    assert int(total) == 8
    assert int(right) >= 7
    report = tmp_path / "demo" / "run" / "report.html"
    assert str(report) in text
    assert report.stat().st_size > 100_000
    assert main(words) == 0, "a finished demo is read, not made again"

"""``medvlp tile`` as users call it."""

import json
from pathlib import Path

import pytest

from medvlp.cli.main import main
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide


def test_tile__writes_a_plan_for_each_slide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    spec = PhantomSlideSpec(seed=1, diagnosis="normal", size_px=(1024, 1024))
    write_phantom_slide(tmp_path / "in" / "a.tif", spec)
    words = ["tile", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 1
    assert (tmp_path / "out" / "tiles" / "a" / "tiles.h5").exists()

"""``medvlp embed`` as users call it."""

import json
from pathlib import Path

import pytest

from medvlp.cli.main import main
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide


def test_embed__writes_features_of_each_slide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    spec = PhantomSlideSpec(seed=1, diagnosis="normal", size_px=(1024, 1024))
    write_phantom_slide(tmp_path / "in" / "a.tif", spec)
    words = ["embed", str(tmp_path / "in"), "--model", "timm:test_vit", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["failed"] == 0
    assert list((tmp_path / "out" / "features").glob("*/a.h5"))

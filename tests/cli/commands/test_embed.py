"""``medvlp embed`` as users call it."""

import json
from pathlib import Path

import pytest

from medvlp.cli.main import main
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide
from medvlp.volumes.features import read_volume_features
from medvlp.volumes.mask_writing import write_label_map
from tests.volumes.bodies import make_body, write_body


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


def test_embed__takes_scans_with_the_model_for_scans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write_body(tmp_path / "in", mask=None)
    assert case.mask is None
    write_label_map(tmp_path / "masks.nii.gz", make_body()[1])
    words = ["embed", str(case.path), "--model", "volume:resnet3d10", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "none")]) == 1
    text = capsys.readouterr().err
    assert "MV1120: the model looks at the kidney" in text
    assert "--masks FOLDER" in text
    words += ["--masks", str(tmp_path / "masks.nii.gz"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    (path,) = (tmp_path / "out" / "features").rglob("ct.h5")
    found = read_volume_features(path)
    assert found.units == ("kidney_right", "kidney_left")
    assert found.features.shape == (2, 512)


def test_embed__tells_that_an_organ_finder_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write_body(tmp_path / "in", mask=None)
    words = ["embed", str(case.path), "--model", "volume:resnet3d10", "--device", "cpu"]
    words += ["--find-organs", "totalsegmentator", "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert "MV2251: the organ finder 'totalsegmentator' is not installed" in capsys.readouterr().err

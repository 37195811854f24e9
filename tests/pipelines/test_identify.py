"""Anything medvlp reads or writes is told what it is."""

import json
from pathlib import Path

import pytest

from medvlp.cli.main import main
from medvlp.errors import UsageError
from medvlp.pipelines.identify import identify


def test_identify__knows_a_slide(phantom_slides: Path) -> None:
    found = identify(phantom_slides / "phantom_000.tif")
    assert found.kind == "slide"
    assert found.facts["size (width x height)"] == "1536 x 1536 px"
    assert found.facts["scale"] == "0.5 x 0.5 um per pixel (metadata)"


def test_identify__tells_of_a_slide_without_scale(real_data: Path) -> None:
    found = identify(real_data / "slides" / "real" / "tcga-cr-7395-01a-01-ts1.svs")
    assert "MV1203" in found.facts["scale"]


def test_identify__knows_model_task_and_manifest(
    bundle_folder: Path, task_file: Path, phantom_slides: Path, tmp_path: Path
) -> None:
    assert identify(bundle_folder).facts["name"] == "tiny"
    assert identify(bundle_folder).facts["chosen"] == "not on record"
    assert identify(task_file).facts["name"] == "phantom-subtyping"
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"path,slide_mpp\n{phantom_slides / 'phantom_000.tif'},0.5\nb.tif,\n")
    assert identify(manifest).facts == {"cases": 2, "missing files": 1, "with slide_mpp": 1}


def test_identify__knows_features_and_a_run(
    phantom_slides: Path, bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    slide = str(phantom_slides / "phantom_000.tif")
    words = ["zero-shot", slide, "--model", str(bundle_folder), "--task", str(task_file)]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    found = identify(tmp_path / "run")
    assert found.kind == "run"
    assert found.facts["cases"] == 1
    (features,) = (tmp_path / "run" / "features").rglob("*.h5")
    assert identify(features).facts["encoder"] == "tiny"


def test_identify__refuses_what_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MV1108"):
        identify(tmp_path)
    with pytest.raises(UsageError, match="MV1101"):
        identify(tmp_path / "nowhere")


def test_inspect__prints_facts_and_json(
    phantom_slides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide = str(phantom_slides / "phantom_000.tif")
    assert main(["inspect", slide]) == 0
    assert "phantom_000.tif: slide" in capsys.readouterr().out
    assert main(["inspect", slide, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "slide"

"""A folder of slides to a run folder, and every way in which that can go wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import yaml

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.io import content_sha256
from medvlp.slides.features import read_features


def zero_shot(source: Path, model: Path | str, task: Path, out: Path, *more: str) -> int:
    words = ["zero-shot", str(source), "--model", str(model), "--task", str(task)]
    return main([*words, "--out", str(out), *more])


def failures(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as stream:
        return {row["case_id"]: row["code"] for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def finished(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert zero_shot(phantom_slides, bundle_folder, task_file, out) == 0
    return out


def test_zero_shot__writes_the_whole_run_folder(finished: Path) -> None:
    for name in ("predictions.csv", "predictions.parquet", "failures.csv", "cases.csv"):
        assert (finished / name).stat().st_size > 0
    assert json.loads((finished / "run.json").read_text())["intended_use"] == "research only"
    assert "research" in (finished / "report.html").read_text()
    case = finished / "cases" / "phantom_000"
    for name in ("heatmap.png", "classes.png", "thumbnail.png", "top_tiles.png"):
        assert (case / name).read_bytes().startswith(b"\x89PNG")
    regions = json.loads((case / "regions.geojson").read_text())
    assert regions["type"] == "FeatureCollection"
    assert regions["features"]


def test_zero_shot__predicts_a_class_for_every_slide(finished: Path, task_file: Path) -> None:
    rows = read_predictions(finished)
    names = list(yaml.safe_load(task_file.read_text())["classes"])
    assert [row.case_id for row in rows] == [f"phantom_{n:03d}.tif" for n in range(4)]
    for row in rows:
        assert row.status == "diagnosed"
        assert row.prediction in names
        assert sum(row.probabilities.values()) == pytest.approx(1)
        assert row.n_used == row.n_units > 0


def test_zero_shot__goes_on_with_a_finished_run(
    finished: Path, phantom_slides: Path, bundle_folder: Path, task_file: Path
) -> None:
    before = (finished / "predictions.csv").read_bytes()
    stamp = (finished / "cases" / "phantom_000" / "result.json").stat().st_mtime_ns
    assert zero_shot(phantom_slides, bundle_folder, task_file, finished) == 0
    assert (finished / "predictions.csv").read_bytes() == before
    assert (finished / "cases" / "phantom_000" / "result.json").stat().st_mtime_ns == stamp


def test_zero_shot__reuses_features_of_embed(
    phantom_slides: Path, bundle_folder: Path, task_file: Path, finished: Path, tmp_path: Path
) -> None:
    words = ["embed", str(phantom_slides), "--model", str(bundle_folder)]
    assert main([*words, "--out", str(tmp_path / "emb")]) == 0
    out = tmp_path / "run"
    more = ("--features", str(tmp_path / "emb"))
    assert zero_shot(phantom_slides, bundle_folder, task_file, out, *more) == 0
    assert not (out / "features").exists()
    assert (out / "predictions.csv").read_bytes() == (finished / "predictions.csv").read_bytes()


def test_zero_shot__refuses_a_run_folder_of_another_task(
    finished: Path,
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = yaml.safe_load(task_file.read_text())
    task["logit_scale"] = 3.0
    other = tmp_path / "task.yaml"
    other.write_text(yaml.safe_dump(task, sort_keys=False))
    before = (finished / "predictions.csv").read_bytes()
    assert zero_shot(phantom_slides, bundle_folder, other, finished) == 2
    assert "MV1110" in capsys.readouterr().err
    assert (finished / "predictions.csv").read_bytes() == before


def test_zero_shot__reports_a_slide_without_tissue(
    real_data: Path, bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    slide = real_data / "slides" / "real" / "openslide_small.svs"
    assert zero_shot(slide, bundle_folder, task_file, tmp_path) == 0
    (row,) = read_predictions(tmp_path)
    assert (row.status, row.prediction, row.n_units) == ("no-tissue", None, 0)


@pytest.mark.parametrize("kind", ["wsi", "images"])
def test_zero_shot__gives_every_broken_file_an_outcome(
    kind: str, real_data: Path, bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    folder = real_data / "broken" / kind
    assert zero_shot(folder, bundle_folder, task_file, tmp_path) == 1
    codes = failures(tmp_path)
    told = set(codes) | {row.case_id for row in read_predictions(tmp_path)}
    # A PDF is no image: it is set aside, and the screen says so.
    expected = {path.name for path in folder.iterdir() if path.suffix != ".pdf"}
    assert told == expected
    assert all(code.startswith("MV") and code != "MV1600" for code in codes.values()), codes


def test_zero_shot__refuses_a_misspelt_task_key(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(task_file.read_text().replace("templates:", "tempates:"))
    assert zero_shot(phantom_slides, bundle_folder, task, tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert "MV1001" in message
    assert "templates" in message
    assert not (tmp_path / "run").exists()


def test_zero_shot__refuses_an_empty_class_list(
    phantom_slides: Path, bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    task = yaml.safe_load(task_file.read_text()) | {"classes": {}}
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(task, sort_keys=False))
    assert zero_shot(phantom_slides, bundle_folder, path, tmp_path / "run") == 2


def test_zero_shot__refuses_a_task_of_another_scale(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = yaml.safe_load(task_file.read_text())
    task["scale"]["mpp"] = 1.0
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(task, sort_keys=False))
    assert zero_shot(phantom_slides, bundle_folder, path, tmp_path / "run") == 2
    assert "MV1516" in capsys.readouterr().err
    assert zero_shot(phantom_slides, bundle_folder, path, tmp_path / "run", "--allow-scale") == 0


def test_zero_shot__refuses_unprojected_features(
    phantom_slides: Path, bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    slide = phantom_slides / "phantom_000.tif"
    assert main(["embed", str(slide), "--model", "timm:test_vit", "--out", str(tmp_path)]) == 0
    (made,) = (tmp_path / "features").rglob("*.h5")
    place = tmp_path / "features" / "tiny" / made.name
    place.parent.mkdir()
    made.rename(place)
    out = tmp_path / "run"
    assert zero_shot(slide, bundle_folder, task_file, out, "--features", str(tmp_path)) == 1
    assert failures(out)["phantom_000.tif"] in {"MV1302", "MV1304"}


def test_zero_shot__refuses_weights_with_nan(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for path in bundle_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    name = next(name for name, value in weights.items() if value.is_floating_point())
    weights[name].view(-1)[0] = float("nan")
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    record = json.loads((folder / "medvlp.json").read_text())
    record["files"]["model.safetensors"] = content_sha256(folder / "model.safetensors")
    (folder / "medvlp.json").write_text(json.dumps(record))
    assert zero_shot(phantom_slides, folder, task_file, tmp_path / "run") == 1
    assert "MV1405" in capsys.readouterr().err


def test_zero_shot__leaves_no_patient_path_in_what_is_shared(finished: Path) -> None:
    folder = str(Path((finished / "cases.csv").read_text().splitlines()[1].split(",")[2]).parent)
    shared = [path for path in finished.rglob("*") if path.is_file() and path.name != "cases.csv"]
    assert len(shared) > 10
    for path in shared:
        assert folder.encode() not in path.read_bytes(), path


def test_zero_shot__stores_unit_features(finished: Path) -> None:
    (path,) = (finished / "features").rglob("phantom_000.h5")
    found = read_features(path)
    assert found.meta.is_projected
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1.0, atol=1e-5)

"""``medvlp zero-shot`` on a tree of slides, scans and rubbish, sorted by content."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from medvlp.cli.main import main
from medvlp.config.run_tables import read_case_rows, read_predictions
from medvlp.phantoms.abdomen.dicom import write_phantom_dicom
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle
from tests.pipelines import scan_samples


def _failures(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as stream:
        return {row["case_id"]: row["code"] for row in csv.DictReader(stream)}


def _zero_shot(source: Path, models: list[Path], tasks: list[Path], out: Path, *more: str) -> int:
    words = ["zero-shot", str(source), "--out", str(out), *more]
    for model in models:
        words += ["--model", str(model)]
    for task in tasks:
        words += ["--task", str(task)]
    return main(words)


@pytest.fixture
def tree(phantom_slides: Path, phantom_scans: Path, tmp_path: Path) -> Path:
    """A tree whose suffixes say little: slides, scans, label maps elsewhere, and rubbish."""
    root = tmp_path / "in"
    (root / "a").mkdir(parents=True)
    shutil.copy(sorted(phantom_slides.iterdir())[0], root / "a" / "slide.bin")
    shutil.copy(phantom_scans / "scans" / "one.nii.gz", root / "a" / "one.nii.gz")
    shutil.copy(phantom_scans / "scans" / "two.nii.gz", root / "two.dat")
    scan = make_phantom_scan(
        PhantomScanSpec(seed=5, shape_zyx=(20, 64, 64), spacing_mm=(5.0, 5.0, 5.0))
    )
    write_phantom_dicom(root / "series", scan)
    (root / "a" / "notes.txt").write_text("nothing to see")
    (root / "empty.svs").touch()
    masks = tmp_path / "masks"
    (masks / "a").mkdir(parents=True)
    shutil.copy(phantom_scans / "masks" / "one.nii.gz", masks / "a" / "one.nii.gz")
    return root


def test_zero_shot__judges_a_mixed_tree_in_one_run(
    tree: Path,
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    models, tasks = [bundle_folder, ct_bundle_folder], [task_file, ct_task_file]
    masks = ("--masks", str(tmp_path / "masks"))
    assert _zero_shot(tree, models, tasks, out, *masks) == 1
    rows = {row.case_id: row for row in read_predictions(out)}
    assert set(rows) == {"a/one.nii.gz", "a/slide.bin"}
    assert rows["a/one.nii.gz"].modality == "ct"
    assert rows["a/slide.bin"].modality == "slide"
    failed = _failures(out)
    # a scan without a mask is no case for a model of kidneys, and says so
    assert failed["two.dat"] == "MV1120"
    assert failed["series"] == "MV1120"
    assert len(read_case_rows(out)) == len(rows) + len(failed)
    told = capsys.readouterr()
    assert "notes.txt" in told.err
    assert "units" in told.out
    assert json.loads((out / "run.json").read_text())["counts"]["predicted"] == 2
    report = (out / "report.html").read_text()
    for name in ("a/one.nii.gz", "a/slide.bin", "two.dat"):
        assert name in report


def test_zero_shot__reuses_the_features_of_embed_for_both_modalities(
    tree: Path,
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
    tmp_path: Path,
) -> None:
    masks = ("--masks", str(tmp_path / "masks"))
    words = ["embed", str(tree), "--model", str(bundle_folder), "--model", str(ct_bundle_folder)]
    assert main([*words, "--out", str(tmp_path / "emb"), *masks]) == 1
    out, models = tmp_path / "run", [bundle_folder, ct_bundle_folder]
    more = (*masks, "--features", str(tmp_path / "emb"))
    assert _zero_shot(tree, models, [task_file, ct_task_file], out, *more) == 1
    assert not (out / "features").exists()
    assert {row.case_id for row in read_predictions(out)} == {"a/one.nii.gz", "a/slide.bin"}


def test_zero_shot__judges_whole_scans_without_masks(tree: Path, tmp_path: Path) -> None:
    from medvlp.text.tokenizer import train_tokenizer
    from medvlp.types import VolumePreprocessing

    windows = VolumePreprocessing(
        spacing_mm=(5.0, 4.0, 4.0),
        shape_zyx=(8, 16, 16),
        orientation="LPS",
        axes="zxy",
        window_hu=(-200.0, 300.0),
        overlap=0.0,
    )
    write_tiny_volume_bundle(
        tmp_path / "b", train_tokenizer(["a cyst", "a mass"], 120), preprocessing=windows
    )
    scale = {"spacing_mm": [5, 4, 4], "window_hu": [-200, 300]}
    task = tmp_path / "findings.yaml"
    task.write_text(yaml.safe_dump(scan_samples.findings(scale=scale), sort_keys=False))
    out = tmp_path / "run"
    assert _zero_shot(tree, [tmp_path / "b"], [task], out) == 1
    rows = {row.case_id: row for row in read_predictions(out)}
    assert set(rows) == {"a/one.nii.gz", "two.dat", "series"}
    assert all(row.findings is not None and row.n_used > 4 for row in rows.values())
    assert _failures(out)["a/slide.bin"] == "MV1109"
    for key in ("series", "two.dat"):
        folder = out / "cases" / key
        assert (folder / "units.csv").exists()
        assert 1 <= len(list(folder.glob("planes_window_*.png"))) <= 4


def test_zero_shot__says_which_model_has_no_task(
    tree: Path,
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = [bundle_folder, ct_bundle_folder]
    assert _zero_shot(tree, both, [task_file], tmp_path / "run") == 2
    assert "MV1130" in capsys.readouterr().err
    tasks = [task_file, ct_task_file]
    assert _zero_shot(tree, [bundle_folder], tasks, tmp_path / "run") == 2
    assert "task masses is for ct cases" in capsys.readouterr().err
    assert not (tmp_path / "run" / "predictions.csv").exists()

"""Real slides, real scans and broken files in one tree: every one has an outcome, with its code."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.text.tokenizer import train_tokenizer
from medvlp.types import VolumePreprocessing
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle
from tests.pipelines import scan_samples

WINDOWS = VolumePreprocessing(
    spacing_mm=(10.0, 6.0, 6.0),
    shape_zyx=(8, 16, 16),
    orientation="LPS",
    axes="zxy",
    window_hu=(-1000.0, 1000.0),
    overlap=0.0,
)
BROKEN_SCANS = {
    "dicom/git_lfs_pointer.dcm": "MV2201",
    "dicom/pydicom_CT_small.dcm": "MV2214",
    "dicom_series/gantrytilting/001": "MV2218",
    "dicom_series/notavolume/001": "MV2215",
    "dicom_series/sliceincrement/001": "MV2216",
    "nifti/4d.nii.gz": "MV2230",
    "nifti/header_only.nii.gz": "MV2202",
    "nifti/nan_inf.nii.gz": "MV2233",
    "nifti/truncated.nii.gz": "MV2202",
}


def _outcomes(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as stream:
        failed = {row["case_id"]: row["code"] for row in csv.DictReader(stream)}
    return failed | {row.case_id: "diagnosed" for row in read_predictions(out)}


@pytest.fixture(scope="module")
def tree(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide, an abdomen with its label map, a chest as DICOM and as NRRD, and broken files."""
    root = tmp_path_factory.mktemp("tree") / "in"
    abdomen = real_data / "ct" / "totalsegmentator" / "abdomen_3mm"
    chest = real_data / "ct" / "chest_imaging_platform"
    shutil.copytree(abdomen, root / "patient" / "abdomen")
    shutil.copytree(chest / "ct-64Dicom", root / "patient" / "chest")
    shutil.copy(chest / "ct-64.nrrd", root / "again.nrrd")
    # left out: a damaged copy of the chest, whose slices would be one series with it
    damaged_copy = shutil.ignore_patterns("one_slice_truncated")
    shutil.copytree(real_data / "broken", root / "broken", ignore=damaged_copy)
    slide = real_data / "slides" / "real" / "CMU-1-Small-Region.svs"
    shutil.copy(slide, root / "patient" / "biopsy")
    (root / "README.md").write_text("read me")
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


@pytest.mark.slow
def test_zero_shot__gives_every_file_of_a_real_tree_an_outcome(
    tree: Path,
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
    tmp_path: Path,
) -> None:
    words = ["zero-shot", str(tree), "--out", str(tmp_path / "run")]
    for model, task in ((bundle_folder, task_file), (ct_bundle_folder, ct_task_file)):
        words += ["--model", str(model), "--task", str(task)]
    assert main(words) == 1
    found = _outcomes(tmp_path / "run")
    assert found["patient/biopsy"] == "diagnosed"
    assert found["patient/abdomen/ct.nii.gz"] == "diagnosed"
    assert found["patient/chest"] == "MV1120"  # kidneys are asked for, and no mask shows them
    assert found["again.nrrd"] == "MV1120"
    assert {name: found[f"broken/{name}"] for name in BROKEN_SCANS} == BROKEN_SCANS
    assert "MV1600" not in found.values()
    assert all(code.startswith("MV") or code == "diagnosed" for code in found.values())
    folder = tmp_path / "run" / "cases"
    (case,) = [path for path in folder.iterdir() if "abdomen" in path.name]
    with (case / "units.csv").open(newline="") as stream:
        units = list(csv.DictReader(stream))
    assert [unit["unit"] for unit in units] == ["kidney_right", "kidney_left"]
    assert all("I" in unit["cut_sides"] for unit in units)
    notes = json.loads((case / "result.json").read_text())["notes"]
    assert any("the field of view has probably cut it" in note for note in notes)


@pytest.mark.slow
def test_zero_shot__judges_the_same_chest_alike_from_dicom_and_nrrd(
    tree: Path, tmp_path: Path
) -> None:
    write_tiny_volume_bundle(
        tmp_path / "b", train_tokenizer(["a cyst", "a mass"], 120), preprocessing=WINDOWS
    )
    scale = {"spacing_mm": [10, 6, 6], "window_hu": [-1000, 1000]}
    task = tmp_path / "findings.yaml"
    task.write_text(yaml.safe_dump(scan_samples.findings(scale=scale), sort_keys=False))
    out = tmp_path / "run"
    words = ["zero-shot", str(tree), "--model", str(tmp_path / "b"), "--task", str(task)]
    assert main([*words, "--out", str(out)]) == 1
    found = _outcomes(out)
    assert found["patient/abdomen/ct.nii.gz"] == "diagnosed"
    assert found["patient/biopsy"] == "MV1109"
    rows = {row.case_id: row for row in read_predictions(out)}
    dicom, nrrd = rows["patient/chest"], rows["again.nrrd"]
    assert dicom.n_used == nrrd.n_used > 8
    assert dicom.probabilities == pytest.approx(nrrd.probabilities, abs=1e-4)
    assert (out / "report.html").stat().st_size > 100_000

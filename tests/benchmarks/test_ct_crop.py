from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("benchmarks.report")
from benchmarks import ct_crop
from benchmarks.crop_methods.tasks import MONAI_ITK, MONAI_NIBABEL, MONAI_PYDICOM, OURS, Found


def row(scan, method, seconds, peak_mib, **more):
    figures = {"seconds": seconds, "cpu_seconds": seconds, "peak_mib": peak_mib}
    return {"scan": scan, "method": method, "largest_hu": 0.0, "largest_mm": 0.0, "load": 0.0} | (
        figures | more
    )


def scan(name, packing):
    return SimpleNamespace(name=name, packing=packing)


def test_summarise__takes_medians_and_the_largest_difference():
    runs = [row("a", OURS, seconds, 1.0, largest_hu=seconds) for seconds in (1.0, 9.0, 2.0)]
    runs.append({"scan": "a", "method": MONAI_ITK, "load": 0.0, "failure": "no itk"})
    ours, peer = ct_crop.summarise(runs)
    assert (ours["seconds"], ours["largest_hu"], ours["runs"]) == (2.0, 9.0, 3)
    assert peer["failure"] == "no itk"


def test_judge__takes_the_faster_reader_and_the_smaller_memory():
    rows = [
        row("d", OURS, 1.0, 10.0),
        row("d", MONAI_PYDICOM, 4.0, 80.0),
        row("d", MONAI_ITK, 2.0, 160.0),
    ]
    (verdict,) = ct_crop.judge([scan("d", "dicom")], rows)
    assert verdict["times_faster"] == 2.0
    assert verdict["memory_share"] == 1 / 8
    assert verdict["missed"] == ["time"]


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"seconds": 9.0}, ["time"]),
        ({"peak_mib": 70.0}, ["memory"]),
        ({"largest_hu": 1.5}, ["values"]),
        ({"largest_mm": float("inf")}, ["grid"]),
    ],
)
def test_judge__names_what_is_missed(change, missed):
    peer = row("n", MONAI_NIBABEL, 10.0, 80.0) | change
    (verdict,) = ct_crop.judge([scan("n", "nifti")], [row("n", OURS, 1.0, 10.0), peer])
    assert verdict["missed"] == missed


def test_headline__names_every_scan_that_misses(capsys):
    scans = [scan("large", "nifti"), scan("small", "nifti")]
    rows = [row("large", OURS, 1.0, 1.0), row("large", MONAI_NIBABEL, 20.0, 100.0)]
    rows += [row("small", OURS, 1.0, 1.0), row("small", MONAI_NIBABEL, 2.0, 2.0)]
    assert ct_crop.print_verdicts(ct_crop.judge(scans, rows)) == ["small"]
    lines = capsys.readouterr().out.splitlines()
    assert "MISSED: time, memory" in lines[1]
    assert lines[-1].startswith("crops 2.0 to 20 times faster")
    assert lines[-1].endswith(": MISSED on small")


def test_difference__is_infinite_for_another_shape():
    first = Found(np.zeros((1, 2, 3), np.float32), np.zeros(3))
    other = Found(np.zeros((1, 2, 2), np.float32), np.zeros(3))
    assert ct_crop.difference(first, other)["largest_hu"] == float("inf")
    moved = Found(first.values + 2, np.asarray([0.0, -0.5, 0.0]))
    assert ct_crop.difference(first, moved) == {"largest_hu": 2.0, "largest_mm": 0.5}


def test_run__writes_the_figures(tmp_path: Path, monkeypatch):
    found = [SimpleNamespace(name="n", kind="nifti", packing="nifti")]
    found[0].task = SimpleNamespace(shape_zyx=(1, 2, 3), spacing_mm=(5.0, 1.0, 1.0))
    found[0].num_voxels = 6
    monkeypatch.setattr(ct_crop, "phantom_scans", lambda *_: found)
    rows = [row("n", OURS, 1.0, 10.0), row("n", MONAI_NIBABEL, 4.0, 80.0)]
    monkeypatch.setattr(ct_crop, "measure_once", lambda *_: rows)
    out = tmp_path / "figures.json"
    asked = ["--runs", "2", "--work", str(tmp_path), "--json", str(out)]
    assert ct_crop.main(asked) == 0
    assert ct_crop.main([*asked, "--check"]) == 1
    assert '"missed"' in out.read_text()

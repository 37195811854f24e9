"""Every method of the crop benchmark gives the same samples, here and in fresh processes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("benchmarks.report")
from benchmarks.crop_methods import few_lines, ours
from benchmarks.crop_methods.measuring import (
    UnreadableScanError,
    load_crop,
    measure,
    measure_in_a_fresh_process,
)
from benchmarks.crop_methods.scans import phantom_scans, real_scans
from benchmarks.crop_methods.tasks import FEW_LINES, METHODS, MONAI_ITK, OURS
from medvlp.volumes.crops import CropSpec, crop_volume
from medvlp.volumes.reader import open_volume


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A small phantom in every format."""
    return phantom_scans(tmp_path_factory.mktemp("scans"), (60, 56, 56), seed=1)


def test_phantom_scans__are_written_once_and_show_the_kidney(scans):
    written = {scan.task.path: scan.task.path.stat().st_mtime_ns for scan in scans}
    again = phantom_scans(scans[0].task.path.parents[1], (60, 56, 56), seed=1)
    assert again == scans
    assert written == {scan.task.path: scan.task.path.stat().st_mtime_ns for scan in again}
    values = ours.crop_box(scans[0].task, OURS).values
    assert values.shape == (32, 128, 128)
    assert 0 < np.median(values[12:20, 48:80, 48:80]) < 400


def test_methods__give_the_same_samples_whatever_the_format(scans):
    expected = ours.crop_box(scans[0].task, OURS)
    for scan in scans:
        crops = [ours.crop_box(scan.task, OURS)]
        if FEW_LINES in METHODS[scan.kind]:
            crops.append(few_lines.crop_box(scan.task, FEW_LINES))
        for found in crops:
            assert np.abs(found.values - expected.values).max() < 0.05
            assert np.abs(found.first_lps_mm - expected.first_lps_mm).max() < 1e-3


def test_measure__takes_time_and_peak_of_one_crop(scans):
    figures, found = measure(OURS, scans[0].task, scans[0].warm_up)
    assert 0 < figures["seconds"] < 60
    assert figures["peak_mib"] >= 0
    assert found.values.shape == (32, 128, 128)


def test_fresh_process__says_why_a_method_fails(scans, tmp_path):
    missing = dataclasses.replace(scans[0].task, path=Path(__file__))
    with pytest.raises(UnreadableScanError, match="MV2201"):
        measure_in_a_fresh_process(OURS, missing, missing, tmp_path / "crop.npz", threads=1)


def test_real_scans__are_cut_down_to_lie_inside(real_data, scans):
    found = {scan.name: scan for scan in real_scans(real_data / "ct", scans)}
    assert len(found) == 6
    assert found["abdomen, JPEG 2000"].task.shape_zyx == (6, 128, 128)
    for scan in found.values():
        box_mm = np.multiply(scan.task.shape_zyx, scan.task.spacing_mm)
        spec = CropSpec(box_mm=tuple(box_mm), spacing_mm=scan.task.spacing_mm)
        with open_volume(scan.task.path) as source:
            assert crop_volume(source, scan.task.centre_lps_mm, spec).padded_share == 0


@pytest.mark.slow
def test_fresh_process__gives_the_samples_of_monai(scans, tmp_path):
    for scan in (scans[1], scans[2]):
        expected = ours.crop_box(scan.task, OURS)
        for method in set(METHODS[scan.kind]) - {MONAI_ITK}:
            out = tmp_path / "crop.npz"
            figures = measure_in_a_fresh_process(method, scan.task, scan.warm_up, out, threads=1)
            assert figures["seconds"] > 0
            assert np.abs(load_crop(out).values - expected.values).max() < 0.05

"""A worker reads file after file; a bad one, or one that kills it, costs itself only."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import MedvlpError, WorkerError
from medvlp.io import content_sha256
from medvlp.jobs.workers import WorkerLimits
from medvlp.pipelines import radiograph_framing
from medvlp.pipelines.radiograph_framing import FramingWorker, RadiographFile, frame_radiograph

LIMITS = WorkerLimits()


def picture(path: Path, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (60, 40)).astype(np.uint8)
    Image.fromarray(np.kron(values, np.ones((2, 2), np.uint8))).save(path, format="PNG")
    return path


def files(folder: Path) -> list[RadiographFile]:
    found = [RadiographFile(f"k{n}", picture(folder / f"{n}.png", n)) for n in range(4)]
    found[1].path.write_bytes(b"no picture")
    return found


def dies_of_the_third(file: RadiographFile, size_px: int, bits: int):
    if file.key == "k2":
        os.kill(os.getpid(), signal.SIGKILL)
    return frame_radiograph(file, size_px, bits)


def test_frame_radiograph__keeps_the_aspect_and_uses_all_levels(tmp_path: Path) -> None:
    file = RadiographFile("a", picture(tmp_path / "a.png"))
    small, large = (frame_radiograph(file, 48, bits) for bits in (8, 16))
    assert small.gray.dtype == np.uint8
    assert large.gray.dtype == np.uint16
    assert small.shape == (120, 80)
    assert small.gray.shape == (48, 48)
    assert not small.gray[:, :8].any()
    assert small.gray[:, 8:40].any(axis=0).all()
    assert np.abs(large.gray / 65535 - small.gray / 255).max() < 0.5 / 255 + 1e-4
    assert small.sha256 == content_sha256(file.path)


def test_framing_worker__gives_what_reading_alone_gives(tmp_path: Path) -> None:
    listed = files(tmp_path)
    worker = FramingWorker(listed, 32, 8, LIMITS)
    for key in ("k0", "k2", "k3", "k0"):
        expected = frame_radiograph(listed[int(key[1])], 32, 8)
        np.testing.assert_array_equal(worker.framed(key).gray, expected.gray)
    worker.close()


def test_framing_worker__goes_on_after_a_bad_file(tmp_path: Path) -> None:
    worker = FramingWorker(files(tmp_path), 32, 8, LIMITS)
    found = []
    for key in ("k0", "k1", "k2"):
        try:
            found.append(worker.framed(key).shape)
        except MedvlpError as error:
            found.append(error.code)
    worker.close()
    assert found == [(120, 80), "MV2401", (120, 80)]


def test_framing_worker__goes_on_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radiograph_framing, "_frame_all", _crashing)
    worker = FramingWorker(files(tmp_path), 32, 8, LIMITS)
    worker.framed("k0")
    with pytest.raises(MedvlpError, match="MV2401"):
        worker.framed("k1")
    with pytest.raises(WorkerError, match="MV1601"):
        worker.framed("k2")
    assert worker.framed("k3").shape == (120, 80)
    worker.close()


def _crashing(listed, size_px, bits):
    for file in listed:
        try:
            yield dies_of_the_third(file, size_px, bits)
        except MedvlpError as error:
            yield error

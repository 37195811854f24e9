"""Label maps are told from scans by their values, whatever type they are stored in."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medvlp.volumes.files import file_kind
from medvlp.volumes.label_maps import is_label_map

RNG = np.random.default_rng(0)
SCAN = RNG.integers(-1000, 1500, (24, 24, 12)).astype(np.int16)
LABELS = np.where(RNG.random((24, 24, 12)) < 0.5, 0, RNG.integers(0, 40, (24, 24, 12)))


def told(path: Path, values: np.ndarray, slope: float | None = None) -> bool:
    image = nibabel.Nifti1Image(values, np.eye(4))
    if slope is not None:
        image.header.set_slope_inter(slope, -1024)
    nibabel.save(image, path)
    return is_label_map(path, file_kind(path))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_is_label_map__knows_labels_of_any_type(tmp_path: Path, dtype: type, suffix: str) -> None:
    assert told(tmp_path / f"a{suffix}", LABELS.astype(dtype))


@pytest.mark.parametrize(
    "values",
    [
        SCAN,
        SCAN.astype(np.float32),
        ((SCAN + 1000) / 10).astype(np.uint8),
        (SCAN + 1000).astype(np.uint16),
        RNG.random((24, 24, 12)).astype(np.float32),
        np.full((24, 24, 12), 7, np.uint8),
        np.full((24, 24, 12), np.nan, np.float32),
    ],
    ids=["scan", "float scan", "windowed", "stored", "probabilities", "constant", "nan"],
)
def test_is_label_map__knows_what_is_none(tmp_path: Path, values: np.ndarray) -> None:
    assert not told(tmp_path / "a.nii", values)


def test_is_label_map__takes_an_empty_mask_for_one(tmp_path: Path) -> None:
    assert told(tmp_path / "a.nii.gz", np.zeros((24, 24, 12), np.uint8))


def test_is_label_map__leaves_damaged_files_to_their_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    assert told(path, LABELS.astype(np.uint8))
    path.write_bytes(path.read_bytes()[:600])
    assert not is_label_map(path, file_kind(path))


def test_is_label_map__knows_the_real_files(real_data: Path) -> None:
    folder = real_data / "ct"
    found = {
        path.relative_to(folder).as_posix(): is_label_map(path, file_kind(path))
        for path in sorted(folder.rglob("*"))
        if path.name.endswith((".nii.gz", ".nrrd"))
    }
    assert {name for name, is_map in found.items() if is_map} == {
        name for name in found if Path(name).name.startswith(("seg_", "lm-", "liver_seg", "case_"))
    }

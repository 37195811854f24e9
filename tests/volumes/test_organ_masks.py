"""Masks are one file or one for each organ; names come from the file, its scheme or its name."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import affine_ras_to_lps
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.organ_masks import is_organ_folder, mask_stem, organ_files, read_organ_mask
from tests.volumes.bodies import GEOMETRY, ORGANS, make_body, save_organs

AFFINE = affine_ras_to_lps(GEOMETRY.affine_lps)


def plain(path: Path, labels: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(labels.T, AFFINE), path)
    return path


def read(path: Path, **more: object) -> LabelMap:
    return read_organ_mask(path, like=GEOMETRY, **{"names": None, "region": "kidney", **more})


def test_read_organ_mask__joins_the_files_of_a_folder(tmp_path: Path) -> None:
    _, mask = make_body()
    folder = save_organs(tmp_path / "segmentations", mask)
    plain(folder / "rib_left_1.nii.gz", np.ones_like(mask.labels))
    plain(folder / "heart.nii.gz", np.zeros_like(mask.labels))
    found = read(folder)
    assert set(found.names.values()) == set(ORGANS)
    for number, name in found.names.items():
        (expected,) = (n for n, known in mask.names.items() if known == name)
        np.testing.assert_array_equal(found.labels == number, mask.labels == expected)


def test_read_organ_mask__says_what_a_folder_lacks(tmp_path: Path) -> None:
    _, mask = make_body()
    folder = save_organs(tmp_path / "segmentations", mask)
    with pytest.raises(VolumeError, match="MV2243: segmentations holds no file for 'pancreas'"):
        read(folder, region="pancreas")
    for side in ("left", "right"):
        plain(folder / f"kidney_{side}.nii.gz", np.zeros_like(mask.labels))
    with pytest.raises(VolumeError, match="MV2241: segmentations: the files for 'kidney' are"):
        read(folder)


def test_read_organ_mask__names_labels_by_scheme_or_by_its_file(tmp_path: Path) -> None:
    _, mask = make_body()
    numbered = plain(tmp_path / "seg.nii.gz", mask.labels)
    assert not read(numbered).names
    assert read(numbered, names="totalsegmentator").names[2] == "kidney_right"
    one = plain(tmp_path / "kidney_left.nii.gz", (mask.labels == 3).astype(np.uint8))
    assert read(one).names == {1: "kidney_left"}


@pytest.mark.parametrize(
    ("names", "is_folder"),
    [
        (["liver.nii.gz", "kidney_left.nii.gz"], True),
        (["liver.nii.gz", "ct.nii.gz"], False),
        (["liver.txt"], False),
        ([], False),
    ],
)
def test_is_organ_folder__goes_by_the_names_of_organs(names: list[str], is_folder: bool) -> None:
    assert is_organ_folder(names) is is_folder


def test_organ_files__are_known_by_their_stem(tmp_path: Path) -> None:
    for name in ("liver.nii.gz", "notes.txt", "odd.nii.gz"):
        (tmp_path / name).write_text("x")
    assert list(organ_files(tmp_path)) == ["liver"]
    assert [mask_stem(name) for name in ("a.NII.GZ", "b.c.nrrd", "d")] == ["a", "b.c", "d"]

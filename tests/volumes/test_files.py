from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medvlp.errors import VolumeError
from medvlp.volumes.files import file_kind, read_start, refuse_kind
from tests.volumes.scans import slice_data_set, write_nifti


@pytest.fixture
def one_of_each(tmp_path: Path) -> dict[str, Path]:
    """Files whose names say nothing, by what they are."""
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    write_nifti(tmp_path / "a.nii", values)
    write_nifti(tmp_path / "b.nii.gz", values)
    image = SimpleITK.GetImageFromArray(values)
    SimpleITK.WriteImage(image, str(tmp_path / "c.nrrd"))
    SimpleITK.WriteImage(image, str(tmp_path / "d.mha"))
    slice_data_set(values[0], (0, 0, 0)).save_as(tmp_path / "e.dcm", enforce_file_format=True)
    (tmp_path / "f").write_bytes((tmp_path / "e.dcm").read_bytes()[132:])
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        archive.write(tmp_path / "e.dcm", "e")
    (tmp_path / "h").write_bytes(gzip.compress(b"text" * 200))
    (tmp_path / "i").write_bytes(b"")
    (tmp_path / "j").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "k").write_bytes(b"\x89PNG" + bytes(400))
    kinds = {
        "a.nii": "nifti",
        "b.nii.gz": "nifti-gzip",
        "c.nrrd": "nrrd",
        "d.mha": "metaimage",
        "e.dcm": "dicom",
        "f": "dicom",
        "g.zip": "zip",
        "h": "gzip",
        "i": "empty",
        "j": "lfs",
        "k": "other",
    }
    found = {}
    for number, (name, kind) in enumerate(kinds.items()):
        path = (tmp_path / name).rename(tmp_path / f"file{number}.xyz")
        found[f"{kind}{number}"] = path
    return found


def test_file_kind__goes_by_content(one_of_each: dict[str, Path]) -> None:
    assert {name: file_kind(path) for name, path in one_of_each.items()} == {
        name: name.rstrip("0123456789") for name in one_of_each
    }


@pytest.mark.parametrize(
    ("kind", "code"), [("empty", "MV2202"), ("lfs", "MV2201"), ("other", "MV2201")]
)
def test_refuse_kind__says_what_the_file_is(tmp_path: Path, kind: str, code: str) -> None:
    assert refuse_kind(tmp_path / "x", kind).code == code


def test_read_start__refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="MV2200"):
        read_start(tmp_path / "none", 4)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.reader import open_volume, read_volume
from medvlp.volumes.store import write_stored
from medvlp.volumes.volume import Volume
from tests.volumes.scans import stored_values, write_nifti, write_series

VALUES = stored_values((5, 40, 48)) - 1024


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.b2nd", "series"])
def test_read_volume__gives_one_answer_in_every_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "series":
        write_series(path, VALUES + 1024, origin=(1, 2, 3))
    elif name == "a.b2nd":
        geometry = VolumeGeometry(VALUES.shape, (2.0, 0.8, 0.7), np.eye(3), (1.0, 2.0, 3.0))
        write_stored(path, Volume(VALUES, geometry))
    elif ".nii" in name:
        affine = np.diag([-0.7, -0.8, 2.0, 1.0])
        affine[:3, 3] = (-1, -2, 3)
        write_nifti(path, VALUES, affine)
    else:
        image = SimpleITK.GetImageFromArray(VALUES)
        image.SetSpacing((0.7, 0.8, 2.0))
        image.SetOrigin((1, 2, 3))
        SimpleITK.WriteImage(image, str(path))
    path = path.rename(tmp_path / "renamed.xyz")
    volume = read_volume(path)
    assert np.array_equal(VALUES, volume.hu)
    assert volume.geometry.axis_codes == "LPS"
    assert np.allclose(volume.origin_mm, (1, 2, 3), rtol=0, atol=1e-5)
    assert np.allclose(volume.spacing_mm, (2, 0.8, 0.7), rtol=0, atol=1e-6)
    with open_volume(path) as source:
        assert np.array_equal(VALUES[1:3], source.read_region((1, 0, 0), (3, 40, 48)))


def test_read_volume__tells_values_that_are_no_hounsfield_units(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", VALUES + 1024)
    assert [finding.code for finding in read_volume(tmp_path / "a.nii").findings] == ["MV2236"]


def test_read_volume__says_what_a_lone_file_is(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"")
    with pytest.raises(VolumeError, match=r"MV2202.*a.nii.gz is empty"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("count", [0, 100, 400, 700])
def test_read_volume__tells_of_a_lost_slice_at_the_end(tmp_path: Path, count: int) -> None:
    folder = write_series(tmp_path / "s", VALUES + 1024)
    last = next(path for path in folder.iterdir() if path.name.endswith("-4.dcm"))
    last.write_bytes(last.read_bytes()[:count])
    volume = read_volume(folder)
    assert volume.hu.shape == (4, 40, 48)
    assert volume.findings[0].code in {"MV2202"}
    assert last.name in volume.findings[0].text


def test_read_volume__refuses_a_lost_slice_inside(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", VALUES + 1024)
    inner = next(path for path in folder.iterdir() if path.name.endswith("-2.dcm"))
    inner.write_bytes(inner.read_bytes()[:300])
    with pytest.raises(VolumeError, match="MV2216"):
        read_volume(folder)

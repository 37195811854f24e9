from __future__ import annotations

import json
from pathlib import Path

import blosc2
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.crops import CropSpec, crop_volume
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.reader import read_volume
from medvlp.volumes.store import open_stored, write_stored
from medvlp.volumes.volume import Finding, Volume
from tests.volumes.scans import stored_values

VALUES = stored_values((40, 90, 150)) - 1024
GEOMETRY = VolumeGeometry(VALUES.shape, (2.0, 0.8, 0.7), np.diag([1.0, -1.0, 1.0]), (1.0, 2.0, 3.0))
VOLUME = Volume(VALUES, GEOMETRY, "CT", (Finding("MV2212", "lossy"),), "venous")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_stored(tmp_path / "a.b2nd", VOLUME, source_sha256="ab" * 32)
    return tmp_path / "a.b2nd"


def test_open_stored__gives_back_everything(stored: Path) -> None:
    source = open_stored(stored)
    volume = source.read()
    assert np.array_equal(VALUES, volume.hu)
    assert volume.hu.dtype == np.int16
    assert (volume.modality, volume.phase, volume.findings) == ("CT", "venous", VOLUME.findings)
    assert volume.geometry_sha256 == VOLUME.geometry_sha256
    assert source.source_sha256 == "ab" * 32
    assert np.array_equal(
        VALUES[3:9, 70:90, 140:150], source.read_region((3, 70, 140), (9, 90, 150))
    )


def test_crop_of_a_stored_volume__equals_that_of_the_scan(stored: Path) -> None:
    spec = CropSpec(box_mm=(30, 20, 24), spacing_mm=(1.5, 1, 1))
    centre = GEOMETRY.index_to_lps([[20, 40, 70]])[0]
    expected = crop_volume(VOLUME, centre, spec).values
    assert np.array_equal(expected, crop_volume(open_stored(stored), centre, spec).values)


def test_write_stored__is_deterministic(stored: Path, tmp_path: Path) -> None:
    write_stored(tmp_path / "b.b2nd", VOLUME, source_sha256="ab" * 32)
    assert stored.read_bytes() == (tmp_path / "b.b2nd").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b2nd", "b.b2nd"]


def test_write_stored__says_how_much_rounding_changed(tmp_path: Path) -> None:
    values = np.zeros((2, 4, 4), np.float32)
    values[0, 0] = [0.25, -0.4, 40000, 1]
    geometry = VolumeGeometry(values.shape, (1.0, 1.0, 1.0), np.eye(3), (0.0, 0.0, 0.0))
    change = write_stored(tmp_path / "a.b2nd", Volume(values, geometry))
    assert change == 40000 - 32767
    assert open_stored(tmp_path / "a.b2nd").read().hu[0, 0].tolist() == [0, 0, 32767, 1]
    values[1, 1, 1] = np.nan
    with pytest.raises(VolumeError, match=r"MV2233.*slice 1"):
        write_stored(tmp_path / "b.b2nd", Volume(values, geometry))
    assert not (tmp_path / "b.b2nd").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_open_stored__refuses_a_cut_file(stored: Path, share: float) -> None:
    raw = stored.read_bytes()
    stored.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(VolumeError, match="MV2252"):
        open_stored(stored).read()


def test_open_stored__refuses_other_files(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="MV2200"):
        open_stored(tmp_path / "none.b2nd")
    (tmp_path / "text.b2nd").write_text("no array")
    with pytest.raises(VolumeError, match="MV2252"):
        open_stored(tmp_path / "text.b2nd")
    blosc2.asarray(np.zeros((3, 4, 5), np.int16), urlpath=str(tmp_path / "plain.b2nd"), mode="w")
    with pytest.raises(VolumeError, match=r"MV2252.*another kind"):
        open_stored(tmp_path / "plain.b2nd")


def test_open_stored__refuses_lazy_arrays(tmp_path: Path) -> None:
    """Blosc2 can store expressions, which are computed on opening."""
    array = blosc2.asarray(np.ones((3, 4, 5)), urlpath=str(tmp_path / "x.b2nd"), mode="w")
    lazy = array + 1
    lazy.save(urlpath=str(tmp_path / "lazy.b2nd"))
    with pytest.raises(VolumeError, match="MV2252"):
        open_stored(tmp_path / "lazy.b2nd")


@pytest.mark.parametrize(
    "change",
    [
        {"origin_lps_mm": [1.0, 2.0, 4.0]},
        {"format": "other/1"},
        {"findings": [["a"]]},
        {"direction_lps": [1, 2]},
        {"spacing_zyx_mm": None},
    ],
)
def test_open_stored__refuses_a_changed_description(
    stored: Path, change: dict[str, object]
) -> None:
    array = blosc2.open(str(stored), mode="a")
    fields = json.loads(array.schunk.vlmeta["medvlp"]) | change
    array.schunk.vlmeta["medvlp"] = json.dumps(fields)
    with pytest.raises(VolumeError, match="MV2252"):
        open_stored(stored)


def test_open_stored__refuses_what_is_too_large(stored: Path) -> None:
    with pytest.raises(VolumeError, match="MV2203"):
        open_stored(stored, limits=VolumeLimits(volume_bytes=1000))


def test_real_scan__survives_the_store(real_data: Path, tmp_path: Path) -> None:
    volume = read_volume(real_data / "ct/totalsegmentator/torso_3mm/ct.nii.gz")
    assert write_stored(tmp_path / "a.b2nd", volume) == 0
    again = open_stored(tmp_path / "a.b2nd").read()
    assert np.array_equal(volume.hu, again.hu)
    assert again.geometry_sha256 == volume.geometry_sha256

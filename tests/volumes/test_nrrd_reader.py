from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.nrrd_reader import open_nrrd

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
HEAD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2)",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}


def nrrd(path: Path, body: bytes | None = None, **changes: str | None) -> Path:
    fields = HEAD | {name.replace("_", " "): value for name, value in changes.items()}
    lines = ["NRRD0004", "# a comment"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    data = VALUES.tobytes() if body is None else body
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + data)
    return path


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.int32])
def test_open_nrrd__reads_what_simpleitk_writes(
    tmp_path: Path, kind: type, compressed: bool
) -> None:
    image = SimpleITK.GetImageFromArray(VALUES.astype(kind))
    image.SetSpacing((0.7, 0.8, 2.0))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"), compressed)
    volume = open_nrrd(tmp_path / "a.nrrd").read()
    assert np.array_equal(VALUES, volume.hu)
    expected = VolumeGeometry(
        (3, 4, 5), (2.0, 0.8, 0.7), np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0.0]]), (1.0, 2.0, 3.0)
    )
    assert not expected.difference(volume.geometry, tolerance_mm=1e-9)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("LPS", (1, 1, 1)),
    ],
)
def test_open_nrrd__turns_spaces_into_lps(tmp_path: Path, space: str, signs: tuple) -> None:
    geometry = open_nrrd(nrrd(tmp_path / "a", space=space)).geometry
    assert geometry.origin_lps_mm == (signs[0] * 1, signs[1] * 2, signs[2] * 3)
    assert np.array_equal(np.diag(geometry.direction), signs)


def test_open_nrrd__reads_big_endian_and_detached_voxels(tmp_path: Path) -> None:
    (tmp_path / "voxels.raw").write_bytes(gzip.compress(VALUES.astype(">i2").tobytes()))
    path = nrrd(tmp_path / "a", b"", endian="big", encoding="gzip", data_file="voxels.raw")
    assert np.array_equal(VALUES, open_nrrd(path).read().hu)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"space": None}, "MV2231"),
        ({"space": "scanner-xyz"}, "MV2231"),
        ({"space_directions": None, "spacings": "1 1 1"}, "MV2231"),
        ({"space_directions": "(0,0,0) (0,0.8,0) (0,0,2)"}, "MV2231"),
        ({"space_directions": "(0.7,0,0) (0,0.8,0) none"}, "MV2234"),
        ({"space_directions": "(0.7,0,0) (0,0.8,0) (0,0,nan)"}, "MV2234"),
        ({"space_origin": None}, "MV2234"),
        ({"encoding": "bzip2"}, "MV2235"),
        ({"type": "block"}, "MV2235"),
        ({"endian": "middle"}, "MV2234"),
        ({"dimension": "four"}, "MV2234"),
        ({"dimension": "4", "sizes": "5 4 3 2"}, "MV2230"),
        ({"sizes": "5 4"}, "MV2234"),
        ({"sizes": "500 400 300"}, "MV2202"),
        ({"sizes": "50000 40000 30000"}, "MV2203"),
        ({"byte_skip": "-1"}, "MV2235"),
        ({"data_file": "../secret.raw"}, "MV2204"),
        ({"data_file": "/etc/passwd"}, "MV2204"),
        ({"data_file": "absent.raw"}, "MV2200"),
    ],
)
def test_open_nrrd__refuses(tmp_path: Path, changes: dict[str, str | None], code: str) -> None:
    with pytest.raises(VolumeError) as caught:
        open_nrrd(nrrd(tmp_path / "a", **changes))
    assert caught.value.code == code

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.metaimage_reader import open_metaimage

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
HEAD = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryDataByteOrderMSB": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "1 2 3",
    "ElementSpacing": "0.7 0.8 2",
    "DimSize": "5 4 3",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}


def metaimage(path: Path, **changes: str | None) -> Path:
    fields = HEAD | changes
    where = fields.pop("ElementDataFile")
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    lines.append(f"ElementDataFile = {where}")
    path.write_bytes("\n".join(lines).encode() + b"\n" + VALUES.tobytes())
    return path


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [True, False])
def test_open_metaimage__reads_what_simpleitk_writes(
    tmp_path: Path, name: str, compressed: bool
) -> None:
    image = SimpleITK.GetImageFromArray(VALUES)
    image.SetSpacing((0.7, 0.8, 2.0))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    SimpleITK.WriteImage(image, str(tmp_path / name), compressed)
    volume = open_metaimage(tmp_path / name).read()
    assert np.array_equal(VALUES, volume.hu)
    expected = VolumeGeometry(
        (3, 4, 5), (2.0, 0.8, 0.7), np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0.0]]), (1.0, 2.0, 3.0)
    )
    assert not expected.difference(volume.geometry, tolerance_mm=1e-9)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"TransformMatrix": None}, "MV2231"),
        ({"TransformMatrix": "1 0 0 0 0 0 0 0 1"}, "MV2231"),
        ({"Offset": None}, "MV2234"),
        ({"Offset": "1 2"}, "MV2234"),
        ({"ElementSpacing": "a b c"}, "MV2234"),
        ({"NDims": "4", "DimSize": "5 4 3 2"}, "MV2230"),
        ({"NDims": "99"}, "MV2234"),
        ({"DimSize": "5 4 1"}, "MV2214"),
        ({"DimSize": "500 4 3"}, "MV2202"),
        ({"DimSize": "50000 40000 30000"}, "MV2203"),
        ({"ElementType": "MET_FLOAT_ARRAY"}, "MV2235"),
        ({"ElementNumberOfChannels": "3"}, "MV2230"),
        ({"HeaderSize": "-1"}, "MV2235"),
        ({"CompressedData": "True", "CompressedDataSize": "5000"}, "MV2202"),
        ({"ElementDataFile": "../voxels.raw"}, "MV2204"),
        ({"ElementDataFile": "LIST"}, "MV2200"),
    ],
)
def test_open_metaimage__refuses(tmp_path: Path, changes: dict[str, str | None], code: str) -> None:
    with pytest.raises(VolumeError) as caught:
        open_metaimage(metaimage(tmp_path / "a", **changes))
    assert caught.value.code == code


def test_open_metaimage__reads_big_endian(tmp_path: Path) -> None:
    path = metaimage(tmp_path / "a", BinaryDataByteOrderMSB="True")
    raw = path.read_bytes()
    path.write_bytes(raw[: -VALUES.nbytes] + VALUES.astype(">i2").tobytes())
    assert np.array_equal(VALUES, open_metaimage(path).read().hu)

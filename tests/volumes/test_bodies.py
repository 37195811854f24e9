from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import VoxelBody, check_body, read_planes
from medvlp.volumes.limits import VolumeLimits

VALUES = np.random.default_rng(0).integers(0, 9999, (4, 30, 50)).astype("<i2")
PACK = {"none": bytes, "gzip": gzip.compress, "zlib": zlib.compress}


def body(path: Path, packing: str, raw: bytes | None = None) -> VoxelBody:
    packed = PACK[packing](b"HEAD" + VALUES.tobytes()) if raw is None else raw
    path.write_bytes(b"front" + packed)
    return VoxelBody(path, 5, 4, np.dtype("<i2"), VALUES.shape, packing)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    "box", [((0, 0, 0), (4, 30, 50)), ((1, 7, 3), (3, 9, 50)), ((3, 0, 0), (4, 1, 1))]
)
def test_read_planes__yields_the_planes_of_a_box(tmp_path: Path, packing: str, box: tuple) -> None:
    made = body(tmp_path / "x", packing)
    check_body(made, VolumeLimits())
    (z0, y0, x0), (z1, y1, x1) = box
    planes = [plane.copy() for plane in read_planes(made, box)]
    assert np.array_equal(np.stack(planes), VALUES[z0:z1, y0:y1, x0:x1])


@pytest.mark.parametrize("packing", PACK)
def test_read_planes__refuses_data_that_end_early(tmp_path: Path, packing: str) -> None:
    made = body(tmp_path / "x", packing)
    raw = made.path.read_bytes()
    made.path.write_bytes(raw[: len(raw) * 2 // 3])
    with pytest.raises(VolumeError, match="MV2202"):
        list(read_planes(made, ((0, 0, 0), VALUES.shape)))


def test_check_body__states_how_much_is_there(tmp_path: Path) -> None:
    short = body(tmp_path / "x", "none", b"HEAD" + VALUES.tobytes()[:-10])
    with pytest.raises(VolumeError, match=r"MV2202.*end at byte 12004, the data at 11994"):
        check_body(short, VolumeLimits())
    packed = body(tmp_path / "y", "gzip", gzip.compress(b"HEAD" + VALUES.tobytes()[:-10]))
    with pytest.raises(VolumeError, match=r"MV2202.*end at byte 12004, the data at 11994"):
        check_body(packed, VolumeLimits())


def test_check_body__stops_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    raw = gzip.compress(bytes(64 << 20))[:-4] + b"\x01\0\0\0"
    made = body(tmp_path / "x", "gzip", raw)
    huge = VoxelBody(made.path, 5, 4, made.dtype, (900, 1000, 1000), "gzip")
    with pytest.raises(VolumeError, match=r"MV2203.*grows from"):
        check_body(huge, VolumeLimits(inflate_floor_bytes=1 << 20))


def test_read_planes__needs_memory_for_a_plane_only(tmp_path: Path) -> None:
    import tracemalloc

    values = np.zeros((200, 256, 256), "<i2")
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(values.tobytes(), 1))
    made = VoxelBody(path, 0, 0, values.dtype, values.shape, "gzip")
    tracemalloc.start()
    for _ in read_planes(made, ((150, 10, 10), (160, 20, 20))):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 << 20

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import VoxelBody
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.grid_source import GridSource


def source(
    path: Path,
    values: np.ndarray,
    slope: float = 1.0,
    intercept: float = 0.0,
    packing: Literal["none", "gzip"] = "none",
) -> GridSource:
    body = values.tobytes()
    path.write_bytes(body if packing == "none" else gzip.compress(body))
    geometry = VolumeGeometry(values.shape, (2.0, 1.0, 1.0), np.eye(3), (0.0, 0.0, 0.0))
    return GridSource(
        VoxelBody(path, 0, 0, values.dtype, values.shape, packing), geometry, slope, intercept
    )


RAMP = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("values", "slope", "intercept", "kind"),
    [
        (RAMP.astype("<i2"), 1.0, 0.0, np.int16),
        (RAMP.astype(">u2"), 1.0, 0.0, np.int16),
        (RAMP.astype("<u2") + 40000, 1.0, 0.0, np.float32),
        (RAMP.astype("<u2") + 40000, 1.0, -41000.0, np.int16),
        (RAMP.astype("<i4"), 1.0, 0.0, np.int16),
        (RAMP.astype("<i4") * 10000, 1.0, 0.0, np.float32),
        (RAMP.astype("<i2"), 0.5, 0.0, np.float32),
        (RAMP.astype("<f8") / 4, 1.0, 0.0, np.float32),
        (RAMP.astype("<f4"), 2.0, -1.0, np.float32),
    ],
)
def test_read__is_exact_in_the_smallest_type(
    tmp_path: Path, values: np.ndarray, slope: float, intercept: float, kind: type
) -> None:
    found = source(tmp_path / "x", values, slope, intercept).read().hu
    assert found.dtype == kind
    assert np.array_equal(values.astype(np.float64) * slope + intercept, found)


def test_read_stored__leaves_the_rescale_out(tmp_path: Path) -> None:
    found = source(tmp_path / "x", RAMP.astype(">u2"), 2.0, 5.0).read_stored((0, 1, 0), (2, 2, 4))
    assert np.array_equal(RAMP[:, 1:2], found)


def test_read__refuses_integers_that_float32_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="MV2235"):
        source(tmp_path / "x", RAMP.astype("<i8") * 2**30).read()


def test_read__refuses_what_is_not_finite(tmp_path: Path) -> None:
    values = RAMP.astype("<f4")
    values[1, 2, 3] = np.nan
    made = source(tmp_path / "x", values)
    with pytest.raises(VolumeError, match=r"MV2233.*slice 1 .*\(1, 2, 3\)"):
        made.read()
    assert np.array_equal(values[:1], made.read_region((0, 0, 0), (1, 3, 4)))


@pytest.mark.parametrize("packing", ["none", "gzip"])
@pytest.mark.parametrize(("kind", "slope"), [("<i2", 1.0), (">u2", 2.0), ("<i2", 0.5), ("<f4", 1)])
def test_read_some__gives_the_planes_of_the_whole(
    tmp_path: Path, packing: Literal["none", "gzip"], kind: str, slope: float
) -> None:
    values = np.arange(7 * 12).reshape(7, 3, 4).astype(kind)
    found = source(tmp_path / "x", values, slope, -3.0, packing).read_some([0, 2, 5])
    expected = values[[0, 2, 5]].astype(np.float64) * slope - 3
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("packing", ["none", "gzip"])
def test_read_some__keeps_no_other_planes(tmp_path: Path, packing: Literal["none", "gzip"]) -> None:
    values = np.zeros((400, 128, 128), np.int16)  # 32 KiB a plane, 13 MB together
    made = source(tmp_path / "x", values, packing=packing)
    tracemalloc.start()
    made.read_some([0, 399])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_read_some__refuses_what_is_not_finite_in_planes_it_inflates(tmp_path: Path) -> None:
    values = np.zeros((3, 4, 5), np.float32)
    values[1, 2, 3] = np.inf
    with pytest.raises(VolumeError, match=r"MV2233.*slice 1 .*\(1, 2, 3\)"):
        source(tmp_path / "x", values, packing="gzip").read_some([0, 2])

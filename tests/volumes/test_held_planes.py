"""Boxes of the same planes are cut from memory, and no more than these planes stay there."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.held_planes import HeldPlanes, held_planes
from medvlp.volumes.reader import open_volume
from medvlp.volumes.store import write_stored
from medvlp.volumes.volume import Finding, Volume
from tests.volumes.scans import write_nifti

VALUES = np.arange(20 * 6 * 5, dtype=np.int16).reshape(20, 6, 5)
GEOMETRY = VolumeGeometry((20, 6, 5), (2.0, 1.0, 1.0), np.eye(3), (0.0, 0.0, 0.0))


class Told(Volume):
    """A scan that keeps a list of what was read of it."""

    def read_region(self, start_zyx, stop_zyx):
        """Return a box and note it."""
        READ.append((start_zyx, stop_zyx))
        values = super().read_region(start_zyx, stop_zyx)
        return values if stop_zyx[0] < 20 else values.astype(np.float32)


READ: list[tuple[tuple[int, int, int], tuple[int, int, int]]] = []


@pytest.fixture
def held() -> HeldPlanes:
    READ.clear()
    return HeldPlanes(Told(VALUES, GEOMETRY, "CT", (Finding("MV2234", "told"),)))


def test_read_region__reads_each_plane_once_in_rising_order(held: HeldPlanes) -> None:
    for start, stop in [(0, 4), (0, 4), (1, 3), (2, 6), (6, 9), (15, 20)]:
        found = held.read_region((start, 1, 2), (stop, 5, 4))
        np.testing.assert_array_equal(found, VALUES[start:stop, 1:5, 2:4])
    assert [(low[0], high[0]) for low, high in READ] == [(0, 4), (4, 6), (6, 9), (15, 20)]
    assert all((low[1:], high[1:]) == ((0, 0), (6, 5)) for low, high in READ)


def test_read_region__reads_again_what_was_given_back(held: HeldPlanes) -> None:
    for start, stop in [(8, 12), (2, 6), (5, 9), (0, 20), (3, 4)]:
        found = held.read_region((start, 0, 0), (stop, 6, 5))
        np.testing.assert_array_equal(found, VALUES[start:stop])


def test_held_planes__keeps_the_planes_of_one_box(held: HeldPlanes) -> None:
    for start in range(0, 16, 2):
        held.read_region((start, 0, 0), (start + 4, 6, 5))
        assert held._planes.shape == (4, 6, 5)


def test_held_planes__is_the_scan_in_all_else(held: HeldPlanes) -> None:
    assert held.geometry is GEOMETRY
    assert (held.modality, held.findings[0].text) == ("CT", "told")
    assert np.array_equal(held.read().hu, VALUES)


@pytest.mark.parametrize(("name", "holds"), [("a.nii", False), ("a.nii.gz", True)])
def test_held_planes__holds_only_what_must_be_inflated(
    tmp_path: Path, name: str, holds: bool
) -> None:
    with open_volume(write_nifti(tmp_path / name, VALUES)) as source:
        assert isinstance(held_planes(source), HeldPlanes) == holds


def test_held_planes__leaves_stores_and_volumes_alone(tmp_path: Path) -> None:
    volume = Volume(VALUES, GEOMETRY, "CT")
    assert held_planes(volume) is volume
    write_stored(tmp_path / "a.b2nd", volume)
    with open_volume(tmp_path / "a.b2nd") as source:
        assert held_planes(source) is source


def wide() -> np.ndarray:
    """Return values of which a plane in the middle leaves int16."""
    values = VALUES.astype(np.int32)
    values[9] += 40_000
    return values


@pytest.mark.parametrize("values", [VALUES, wide(), VALUES / np.float32(4)])
def test_read_region__goes_on_inflating_where_it_stopped(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    planes_from = GridSource.planes_from

    def note(source: GridSource, start: int):
        begun.append(start)
        return planes_from(source, start)

    monkeypatch.setattr(GridSource, "planes_from", note)
    with open_volume(write_nifti(tmp_path / "a.nii.gz", values)) as source:
        held = held_planes(source)
        whole = source.read().hu
        for start, stop in [(2, 6), (4, 10), (12, 14), (13, 20), (3, 7), (19, 20)]:
            found = held.read_region((start, 0, 1), (stop, 6, 4))
            np.testing.assert_array_equal(found, whole[start:stop, :, 1:4])
    assert begun == [2, 3]


def test_read_region__checks_the_end_of_an_inflated_file(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", VALUES)
    last = bytearray(gzip.compress(b""))
    last[-8] ^= 0xFF  # the check sum of a second member, behind the last voxel
    path.write_bytes(path.read_bytes() + last)
    with open_volume(path) as source:
        held = held_planes(source)
        held.read_region((0, 0, 0), (19, 6, 5))
        with pytest.raises(VolumeError, match="MV2202"):
            held.read_region((19, 0, 0), (20, 6, 5))

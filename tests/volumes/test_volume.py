from __future__ import annotations

import numpy as np
import pytest

from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.volume import Volume, VolumeSource

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.fixture
def volume() -> Volume:
    return Volume(VALUES, VolumeGeometry((3, 4, 5), (2.0, 0.8, 0.7), np.eye(3), (1.0, 2.0, 3.0)))


def test_volume__is_a_source(volume: Volume) -> None:
    assert isinstance(volume, VolumeSource)
    assert volume.read() is volume
    assert np.array_equal(VALUES[1:3, :1], volume.read_region((1, 0, 0), (3, 1, 5)))


def test_volume__refuses_values_of_another_shape(volume: Volume) -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 5\), the geometry \(3, 4, 5\)"):
        Volume(VALUES[:2], volume.geometry)


def test_oriented__turns_axes_without_copying(volume: Volume) -> None:
    turned = volume.oriented("RAS")
    assert np.array_equal(VALUES[:, ::-1, ::-1], turned.hu)
    assert np.shares_memory(VALUES, turned.hu)
    assert turned.origin_mm == pytest.approx((1 + 4 * 0.7, 2 + 3 * 0.8, 3))
    assert turned.oriented("LPS").geometry_sha256 == volume.geometry_sha256
    assert turned.spacing_mm == volume.spacing_mm
    assert np.array_equal(np.diag(turned.direction), [-1, -1, 1])

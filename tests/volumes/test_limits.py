from __future__ import annotations

import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.limits import VolumeLimits


def test_check_volume__refuses_by_bytes() -> None:
    limits = VolumeLimits(volume_bytes=1000)
    limits.check_volume("scan", 500, 2)
    with pytest.raises(VolumeError, match=r"MV2203.*scan declares 501 voxels, 1002 B"):
        limits.check_volume("scan", 501, 2)


def test_check_inflated__allows_the_floor_then_the_ratio() -> None:
    limits = VolumeLimits(inflate_floor_bytes=1000, inflate_ratio=10)
    limits.check_inflated("scan", 1000, 1)
    limits.check_inflated("scan", 2000, 200)
    with pytest.raises(VolumeError, match="MV2203"):
        limits.check_inflated("scan", 2001, 200)

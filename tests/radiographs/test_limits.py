"""Sizes are refused before anything is read or decoded."""

from __future__ import annotations

import pytest

from medvlp.errors import RadiographError
from medvlp.radiographs.limits import RadiographLimits

LIMITS = RadiographLimits(file_bytes=1000, image_px=10_000, smallest_px=8)


def test_check_file__refuses_nothing_and_too_much() -> None:
    LIMITS.check_file("a", 1000)
    with pytest.raises(RadiographError, match=r"MV2402: a is empty"):
        LIMITS.check_file("a", 0)
    with pytest.raises(RadiographError, match=r"MV2403: a has 1001 B; expected at most 1000 B"):
        LIMITS.check_file("a", 1001)


def test_check_size__refuses_icons_and_bombs() -> None:
    LIMITS.check_size("a", 8, 1250)
    with pytest.raises(RadiographError, match=r"MV2408: a has 7 x 100 pixels"):
        LIMITS.check_size("a", 7, 100)
    with pytest.raises(RadiographError, match=r"MV2403: a declares 101 x 100 pixels"):
        LIMITS.check_size("a", 101, 100)


def test_rules__speak_of_x_rays() -> None:
    rules = LIMITS.rules
    with pytest.raises(RadiographError, match="MV2403"):
        rules.check_inflated("a", 1001, 1)
    assert rules.inflated_cap(10**9) == 1000


def test_default_limits__leave_room_for_the_largest_detectors() -> None:
    RadiographLimits().check_size("mammogram", 5928, 4728)
    RadiographLimits().check_file("chest", 4300 * 4300 * 2)

"""Caps and refusals speak with the voice of the reader that set them."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.io.reading_rules import ReadingRules, format_bytes, read_bytes

RULES = ReadingRules(
    error=DataError,
    unreadable="MV0001",
    cut_off="MV0002",
    too_large="MV0003",
    damaged="MV0004",
    undecodable="MV0005",
    data_bytes=5000,
    header_bytes=100,
    inflate_floor_bytes=1000,
    inflate_ratio=10.0,
)


def test_check_inflated__allows_the_floor_then_the_ratio_then_the_cap() -> None:
    RULES.check_inflated("scan", 1000, 1)
    RULES.check_inflated("scan", 2000, 200)
    assert RULES.inflated_cap(10_000) == 5000
    with pytest.raises(DataError, match=r"MV0003.*from 200 B to more than 1.953 KiB"):
        RULES.check_inflated("scan", 2001, 200)


def test_read_bytes__refuses_with_the_code_of_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert read_bytes(path, 3, RULES, 4) == b"456"
    assert read_bytes(path, 30, RULES, 8) == b"89"
    with pytest.raises(DataError, match=r"MV0001: b cannot be read: No such file"):
        read_bytes(tmp_path / "b", 3, RULES)


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (1536, "1.5 KiB"), (3 << 20, "3 MiB"), (5 << 30, "5 GiB")]
)
def test_format_bytes__uses_the_nearest_unit(count: int, text: str) -> None:
    assert format_bytes(count) == text

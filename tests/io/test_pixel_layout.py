"""The description of pixels is what the header says, and what cannot be is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.io.dicom_header import parse_header
from medvlp.io.pixel_layout import PixelLayout, has_plain_bits, native_frame_bytes, pixel_layout
from medvlp.volumes.limits import VolumeLimits
from tests.volumes.scans import stored_values, write_series


@pytest.fixture
def layout(tmp_path: Path) -> PixelLayout:
    path = next(write_series(tmp_path / "s", stored_values((1, 12, 16))).iterdir())
    return pixel_layout(parse_header(path, None, VolumeLimits().rules))


def test_pixel_layout__describes_the_file(layout: PixelLayout) -> None:
    assert (layout.rows, layout.columns, layout.frames) == (12, 16, 1)
    assert (layout.bits_allocated, layout.bits_stored, layout.high_bit) == (16, 12, 11)
    assert layout.photometric == "MONOCHROME2"
    assert layout.count_bytes == 384


def test_native_frame_bytes__counts_samples_and_bits(layout: PixelLayout) -> None:
    assert native_frame_bytes(replace(layout, samples=3, bits_allocated=8)) == 12 * 16 * 3


def test_has_plain_bits__wants_whole_bytes(layout: PixelLayout) -> None:
    assert has_plain_bits(layout)
    for wrong in ({"bits_allocated": 12}, {"bits_stored": 0}, {"high_bit": 16}, {"high_bit": 10}):
        assert not has_plain_bits(replace(layout, **wrong))

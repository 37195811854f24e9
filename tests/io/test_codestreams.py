from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.io.codestreams import decode_frame, is_lossy_syntax, is_readable_syntax
from medvlp.io.pixel_layout import PixelLayout
from medvlp.volumes.dicom_slices import read_slice_headers
from medvlp.volumes.limits import VolumeLimits
from tests.volumes.scans import stored_values, write_series

UID = "1.2.840.10008.1.2"
RULES = VolumeLimits().rules
RUBBISH = np.random.default_rng(0).bytes(300)


@pytest.fixture
def layout(tmp_path: Path) -> PixelLayout:
    folder = write_series(tmp_path / "s", stored_values((1, 40, 48)))
    return read_slice_headers(next(folder.iterdir()))[0].pixels


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (f"{UID}.4.90", lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0)),
        (f"{UID}.4.80", imagecodecs.jpegls_encode),
        (f"{UID}.4.70", lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=16)),
    ],
)
def test_decode_frame__gives_back_lossless_pixels(
    layout: PixelLayout, syntax: str, encode: object
) -> None:
    pixels = stored_values((1, 40, 48))[0].astype(np.uint16)
    found = decode_frame(encode(pixels), replace(layout, transfer_syntax=syntax), "slice", RULES)
    assert np.array_equal(pixels, found)


@pytest.mark.parametrize("syntax", [f"{UID}.4.90", f"{UID}.4.80", f"{UID}.4.70", f"{UID}.5"])
@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xff\x4f\xff\x51", RUBBISH, bytes(64)],
    ids=["none", "one", "start", "noise", "zeros"],
)
def test_decode_frame__refuses_rubbish(layout: PixelLayout, syntax: str, data: bytes) -> None:
    with pytest.raises(VolumeError, match=r"MV2212.*slice 3"):
        decode_frame(data, replace(layout, transfer_syntax=syntax), "slice 3", RULES)


def test_decode_frame__compares_sizes_before_decoding(layout: PixelLayout) -> None:
    large = imagecodecs.jpeg2k_encode(np.zeros((4000, 4000), np.uint16), level=0)
    with pytest.raises(VolumeError, match=r"MV2212.*data state \(4000, 4000\)"):
        decode_frame(large, replace(layout, transfer_syntax=f"{UID}.4.90"), "slice", RULES)


def test_decode_frame__refuses_a_stream_without_end_at_once(layout: PixelLayout) -> None:
    data = imagecodecs.jpegls_encode(stored_values((1, 40, 48))[0].astype(np.uint16))
    cut = replace(layout, transfer_syntax=f"{UID}.4.80")
    assert decode_frame(data + b"\0", cut, "slice", RULES).shape == (40, 48)
    for count in range(60, len(data) - 2, 97):
        with pytest.raises(VolumeError, match="end without an end marker"):
            decode_frame(data[:count], cut, "slice", RULES)


def test_syntaxes__are_told_apart() -> None:
    assert is_readable_syntax(f"{UID}.4.201")
    assert not is_readable_syntax(f"{UID}.4.100")
    assert is_lossy_syntax(f"{UID}.4.91")
    assert not is_lossy_syntax(f"{UID}.4.90")

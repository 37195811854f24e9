from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medvlp.errors import VolumeError
from medvlp.io.dicom_header import (
    ParsedHeader,
    inflated_data_set,
    is_dicom_start,
    parse_header,
)
from medvlp.volumes.limits import VolumeLimits
from tests.volumes.scans import (
    deflated_bomb,
    nested_sequences,
    slice_data_set,
    stored_values,
    write_series,
)

RULES = VolumeLimits().rules


@pytest.mark.parametrize("size_bytes", [100, 65_400, 65_536, 70_000, 2_000_000])
def test_parse_header__finds_the_pixels_behind_a_header_of_any_size(
    tmp_path: Path, size_bytes: int
) -> None:
    stored = stored_values((1, 6, 8))[0]
    data = slice_data_set(stored, (1, 2, 3))
    data.add_new(0x00091001, "OB", bytes(size_bytes))
    data.add_new(0x00090010, "LO", "TEST")
    path = tmp_path / "a.dcm"
    data.save_as(path, enforce_file_format=True)
    parsed = parse_header(path, ["Rows", "ImagePositionPatient"], RULES)
    assert parsed.data_set.Rows == 6
    assert list(parsed.data_set.ImagePositionPatient) == [1, 2, 3]
    pixels = path.read_bytes()[parsed.pixel_offset :][: parsed.pixel_bytes]
    assert np.array_equal(np.frombuffer(pixels, "<u2").reshape(6, 8), stored)


def test_parse_header__refuses_a_header_without_end(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    data.add_new(0x00091001, "OB", bytes(200_000))
    data.add_new(0x00090010, "LO", "TEST")
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(VolumeError, match="MV2203"):
        parse_header(tmp_path / "a.dcm", ["Rows"], VolumeLimits(header_bytes=100_000).rules)


def test_parse_header__refuses_deep_nesting(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"MV2207.*nested too deeply"):
        parse_header(nested_sequences(tmp_path / "a.dcm", 300), ["Rows"], RULES)


def test_parse_header__refuses_a_deflated_bomb(tmp_path: Path) -> None:
    path = deflated_bomb(tmp_path / "bomb.dcm", 16 << 20)
    assert path.stat().st_size < 30_000
    limits = VolumeLimits(inflate_floor_bytes=1 << 20)
    with pytest.raises(VolumeError, match="MV2203"):
        parse_header(path, ["Rows"], limits.rules)


def test_inflated_data_set__is_what_pydicom_inflates(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values(), syntax="deflated")
    path = next(folder.iterdir())
    expected = pydicom.dcmread(path)
    inflated = pydicom.dcmread(io.BytesIO(inflated_data_set(path, RULES)), force=True)
    assert inflated.PixelData == expected.PixelData


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_parse_header__says_where_deflated_data_end(tmp_path: Path, share: float) -> None:
    folder = write_series(tmp_path / "s", stored_values((1, 64, 64)), syntax="deflated")
    path = next(folder.iterdir())
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    code, parsed = outcome(path, ["Rows"])
    assert code in {"", "MV2202", "MV2207"}
    if parsed is not None:
        assert len(inflated_data_set(path, RULES)) < parsed.pixel_offset + 64 * 64 * 2


def test_parse_header__survives_flipped_bytes(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    path = tmp_path / "a.dcm"
    data.save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(whole)
        for at in rng.integers(0, len(raw), 3):
            raw[at] = rng.integers(0, 256)
        path.write_bytes(bytes(raw))
        assert outcome(path, None)[0] in {"", "MV2202", "MV2203", "MV2207"}


def test_is_dicom_start__knows_files_without_a_preamble() -> None:
    assert is_dicom_start(bytes(128) + b"DICM")
    assert is_dicom_start(b"\x08\0\x05\0CS\x0a\0ISO_IR 100")
    assert not is_dicom_start(b"\x89PNG\r\n\x1a\n" + bytes(200))
    assert not is_dicom_start(b"")


def outcome(path: Path, wanted: list[str] | None) -> tuple[str, ParsedHeader | None]:
    """The code of the refusal, or nothing and what was parsed."""
    try:
        return "", parse_header(path, wanted, RULES)
    except VolumeError as error:
        return error.code, None

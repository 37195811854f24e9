"""Files are told by content, and what cannot be read says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import RadiographError
from medvlp.radiographs.reader import is_radiograph_file, read_radiograph
from tests.radiographs.films import stored_film, write_film


def test_read_radiograph__reads_dicom_png_and_jpeg_alike(tmp_path: Path) -> None:
    gray = stored_film(8, (64, 80)).astype(np.uint8)
    write_film(tmp_path / "a", gray, bits=8, allocated=8)
    Image.fromarray(gray).save(tmp_path / "b", "PNG")
    Image.fromarray(gray).save(tmp_path / "c", "JPEG", quality=100)
    dicom, png, jpeg = (read_radiograph(tmp_path / name) for name in "abc")
    for found in (dicom, png, jpeg):
        assert found.pixels.shape == (64, 80)
        assert found.pixels.dtype == np.float32
        assert found.photometric == "MONOCHROME2"
        assert found.bits_stored == 8
        assert found.burned_in is None
    assert (dicom.value_range, png.value_range) == ("stored-range", "full-range")
    np.testing.assert_array_equal(dicom.pixels, png.pixels)
    np.testing.assert_array_equal(png.pixels, (gray / 255).astype(np.float32))
    np.testing.assert_allclose(jpeg.pixels, png.pixels, rtol=0, atol=3 / 255)


def test_is_radiograph_file__looks_at_the_content(tmp_path: Path) -> None:
    gray = stored_film(8).astype(np.uint8)
    yes = write_film(tmp_path / "a.txt", gray, bits=8, allocated=8)
    Image.fromarray(gray).save(tmp_path / "b.dcm", "PNG")
    assert is_radiograph_file(yes)
    assert is_radiograph_file(tmp_path / "b.dcm")
    for modality in ("CT", "MR", "SM", "SR"):
        assert not is_radiograph_file(
            write_film(tmp_path / "c.dcm", gray, bits=8, allocated=8, Modality=modality)
        )
    for modality in ("CR", "DX", "RG", "PX", ""):
        assert is_radiograph_file(
            write_film(tmp_path / "d.dcm", gray, bits=8, allocated=8, Modality=modality)
        )
    (tmp_path / "e.png").write_text("hello")
    Image.fromarray(gray).convert("1").save(tmp_path / "f.png")
    for name in ("e.png", "f.png", "none.png"):
        assert not is_radiograph_file(tmp_path / name)
    assert not is_radiograph_file(tmp_path)


def test_read_radiograph__takes_a_window_of_the_caller(tmp_path: Path) -> None:
    stored = stored_film(12)
    path = write_film(tmp_path / "a", stored, WindowCenter=10, WindowWidth=5)
    found = read_radiograph(path, window=(2000.5, 1001))
    assert found.value_range == "window"
    expected = np.clip((stored - 1500) / 1000, 0, 1)
    np.testing.assert_allclose(found.pixels, expected, rtol=0, atol=1e-6)
    for window in ((0.0, 0.5), (float("nan"), 10.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="a window needs"):
            read_radiograph(path, window=window)


def test_read_radiograph__says_that_a_picture_is_blank(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a", stored_film(12), WindowCenter=-5000, WindowWidth=10)
    with pytest.raises(RadiographError, match=r"MV2409.*state another window"):
        read_radiograph(path)
    assert read_radiograph(path, window=(2000, 4000)).pixels.std() > 0.1

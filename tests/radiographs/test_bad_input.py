"""Every kind of bad input and the outcome that is stated for it; a file without a row fails."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import CTImageStorage, JPEG2000Lossless

from medvlp.errors import RadiographError
from medvlp.radiographs.image import Radiograph
from medvlp.radiographs.limits import RadiographLimits
from medvlp.radiographs.reader import is_radiograph_file, read_radiograph
from tests.radiographs.films import (
    encode,
    film_data_set,
    gray_png_16,
    lookup_item,
    png_chunk,
    stored_film,
    write_film,
)
from tests.volumes.scans import deflated_bomb, nested_sequences

GRAY = stored_film(8).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    return written(path, path.read_bytes()[: int(path.stat().st_size * share)])


def coloured() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 40, 3)).astype(np.uint8)


def ct_slice(path: Path) -> Path:
    return write_film(path, stored_film(), Modality="CT", SOPClassUID=CTImageStorage)


def two_frames(path: Path) -> Path:
    return write_film(path, np.stack([GRAY, GRAY]), bits=8, allocated=8)


def colour_film(path: Path) -> Path:
    data = film_data_set(GRAY, bits=8, allocated=8)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.PixelData = coloured().tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def huge_film(path: Path) -> Path:
    data = film_data_set(GRAY, bits=8, allocated=8)
    data.Rows = data.Columns = 65535
    data.save_as(path, enforce_file_format=True)
    return path


def cut_compressed(path: Path) -> Path:
    data = encode(film_data_set(stored_film()), JPEG2000Lossless)
    data.save_as(path, enforce_file_format=True)
    return cut(path, 0.8)


def unknown_syntax(path: Path) -> Path:
    data = film_data_set(GRAY, bits=8, allocated=8)
    data.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    return written(path, raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"))


def no_pixels(path: Path) -> Path:
    data = film_data_set(GRAY, bits=8, allocated=8)
    del data.PixelData
    data.save_as(path, enforce_file_format=True)
    return path


def png_bomb(path: Path) -> Path:
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return written(path, b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", b""))


def odd_bits(path: Path) -> Path:
    return write_film(path, stored_film(), HighBit=3)


def short_table(path: Path) -> Path:
    broken = lookup_item(np.arange(100), 0, 16)
    broken.LUTDescriptor = [4096, 0, 16]
    return write_film(path, stored_film(), ModalityLUTSequence=[broken])


# Refused: kind of input -> how it is made, the code.
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "text named .png": (lambda path: written(path, b"hello, I am a picture"), "MV2401"),
    "Git LFS pointer": (
        lambda path: written(path, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "MV2401",
    ),
    "TIFF": (lambda path: written(path, b"II*\0" + bytes(100)), "MV2401"),
    "empty": (lambda path: written(path, b""), "MV2402"),
    "DICOM, cut off": (lambda path: cut(write_film(path, stored_film()), 0.8), "MV2402"),
    "DICOM, cut off in its compressed pixels": (cut_compressed, "MV2410"),
    "PNG, cut off": (lambda path: cut(written(path, png(GRAY))), "MV2402"),
    "PNG of 16 bits, cut off": (
        lambda path: cut(written(path, gray_png_16(stored_film(16)))),
        "MV2402",
    ),
    "PNG, nothing but its mark": (lambda path: written(path, b"\x89PNG\r\n\x1a\n"), "MV2402"),
    "PNG bomb": (png_bomb, "MV2403"),
    "DICOM of 65535 x 65535": (huge_film, "MV2403"),
    "DICOM, deflated bomb": (lambda path: deflated_bomb(path, 80 << 20), "MV2403"),
    "DICOM, nested sequences": (nested_sequences, "MV2404"),
    "CT slice": (ct_slice, "MV2405"),
    "MR slice": (lambda path: write_film(path, stored_film(), Modality="MR"), "MV2405"),
    "screen capture": (lambda path: write_film(path, stored_film(), Modality="OT"), "MV2405"),
    "DICOM without pixels": (no_pixels, "MV2405"),
    "multi-frame": (two_frames, "MV2406"),
    "colour, PNG": (lambda path: written(path, png(coloured())), "MV2407"),
    "colour, DICOM": (colour_film, "MV2407"),
    "tiny": (lambda path: written(path, png(GRAY[:31])), "MV2408"),
    "tiny, DICOM": (lambda path: write_film(path, stored_film()[:, :31]), "MV2408"),
    "blank": (lambda path: written(path, png(np.full_like(GRAY, 77))), "MV2409"),
    "blank, 16 bits": (
        lambda path: written(path, gray_png_16(np.full_like(stored_film(16), 777))),
        "MV2409",
    ),
    "blank, DICOM": (lambda path: write_film(path, np.full_like(stored_film(), 777)), "MV2409"),
    "window beside the values": (
        lambda path: write_film(path, stored_film(), WindowCenter=-9000, WindowWidth=10),
        "MV2409",
    ),
    "unknown transfer syntax": (unknown_syntax, "MV2410"),
    "damaged transfer syntax": (
        lambda path: written(
            path,
            write_film(path, stored_film())
            .read_bytes()
            .replace(b"1.2.840.10008.1.2.1\0", b"1.2.84~.10008.1.2.1\0"),
        ),
        "MV2410",
    ),
    "odd bits": (odd_bits, "MV2410"),
    "rescale by 0": (
        lambda path: write_film(path, stored_film(), RescaleSlope=0, RescaleIntercept=0),
        "MV2411",
    ),
    "rescale beyond all numbers": (
        lambda path: write_film(
            path, stored_film(), RescaleSlope="1e307", RescaleIntercept=0, BurnedInAnnotation="NO"
        ),
        "MV2411",
    ),
    "damaged table": (short_table, "MV2411"),
}

# Read, with what is told: kind of input -> how it is made, value range, words of a note.
READ: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "16 bits without a window, DICOM": (
        lambda path: write_film(path, stored_film(16), bits=16),
        "percentiles",
        "no window is stated",
    ),
    "16 bits without a window, PNG": (
        lambda path: written(path, gray_png_16(stored_film(16))),
        "percentiles",
        "no window is stated",
    ),
    "inverted": (
        lambda path: write_film(path, 255 - GRAY, bits=8, allocated=8, photometric="MONOCHROME1"),
        "stored-range",
        "",
    ),
    "gray stored as RGB": (
        lambda path: written(path, png(np.repeat(GRAY[..., None], 3, axis=2))),
        "full-range",
        "",
    ),
    "windows without width": (
        lambda path: write_film(path, stored_film(), WindowCenter=[1, 2], WindowWidth=[0, 0]),
        "percentiles",
        "2 of 2 windows have no usable width",
    ),
    "a table for display that is damaged": (
        lambda path: write_film(
            path,
            stored_film(),
            VOILUTSequence=[lookup_item(np.arange(9), 0, 40)],
            WindowCenter=2000,
            WindowWidth=4000,
        ),
        "window",
        "table 1 of 1 for display is left out",
    ),
}

# Every file of broken/dicom and broken/images of the real data.
BROKEN: dict[str, str] = {
    "dicom/git_lfs_pointer.dcm": "MV2401",
    "dicom/pydicom_CT_small.dcm": "MV2405",
    "dicom/pydicom_DICOMDIR-empty.dcm": "MV2405",
    "dicom/pydicom_ExplVR_BigEndNoMeta.dcm": "MV2405",
    "dicom/pydicom_ExplVR_LitEndNoMeta.dcm": "MV2405",
    "dicom/pydicom_JPEG2000.dcm": "MV2405",
    "dicom/pydicom_MR_small_RLE.dcm": "MV2405",
    "dicom/pydicom_MR_small_bigendian.dcm": "MV2405",
    "dicom/pydicom_MR_small_jpeg_ls_lossless.dcm": "MV2405",
    "dicom/pydicom_MR_truncated.dcm": "MV2405",
    "dicom/pydicom_SC_rgb_jpeg_app14_dcmd.dcm": "MV2405",
    "dicom/pydicom_badVR.dcm": "MV2405",
    "dicom/pydicom_empty_charset_LEI.dcm": "MV2405",
    "dicom/pydicom_meta_missing_tsyntax.dcm": "MV2405",
    "dicom/pydicom_no_meta.dcm": "MV2401",
    "dicom/pydicom_no_meta_group_length.dcm": "MV2405",
    "dicom/pydicom_priv_SQ.dcm": "MV2405",
    "dicom/pydicom_reportsi.dcm": "MV2405",
    "dicom/pydicom_rtplan_truncated.dcm": "MV2405",
    "images/vips_1bit.tif": "MV2401",
    "images/vips_2bit.tif": "MV2401",
    "images/vips_4bit.tif": "MV2401",
    "images/vips_blankpage.pdf": "MV2401",
    "images/vips_invalid_multiframe.gif": "MV2401",
    "images/vips_subsampled.tif": "MV2401",
    "images/vips_truncated.jpg": "MV2402",
}


def refusal(path: Path) -> RadiographError:
    with pytest.raises(RadiographError) as caught:
        read_radiograph(path)
    assert path.name in caught.value.what
    assert str(path.parent) not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input__is_refused_with_the_stated_code(tmp_path: Path, name: str) -> None:
    make, code = REFUSED[name]
    path = make(tmp_path / "bad.png")
    assert refusal(path).code == code
    if code in {"MV2401", "MV2404", "MV2405"}:
        assert not is_radiograph_file(path)


@pytest.mark.parametrize("name", READ)
def test_odd_input__is_read_and_told(tmp_path: Path, name: str) -> None:
    make, value_range, note = READ[name]
    found: Radiograph = read_radiograph(make(tmp_path / "odd.dcm"))
    assert found.value_range == value_range
    assert note in " ".join(found.notes)
    assert bool(found.notes) == bool(note)
    # brighter towards the lower right, as the films are made
    assert found.pixels[-12:, -12:].mean() > found.pixels[:12, :12].mean() + 0.3
    assert 0 <= found.pixels.min() < 0.2
    assert 0.8 < found.pixels.max() <= 1


def test_table__names_every_code_of_a_reader() -> None:
    made_elsewhere = {"MV2400"}  # a file that is gone, below
    stated = {code for _, code in REFUSED.values()} | made_elsewhere
    assert stated == {f"MV24{number:02d}" for number in range(12)}


def test_a_file_that_is_gone__is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.png").code == "MV2400"
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert refusal(folder).code == "MV2400"


def test_a_file_beyond_the_cap__is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", png(GRAY))
    with pytest.raises(RadiographError, match="MV2403"):
        read_radiograph(path, limits=RadiographLimits(file_bytes=100))


def test_multi_frame__is_read_where_a_frame_is_chosen(tmp_path: Path) -> None:
    path = two_frames(tmp_path / "a.dcm")
    assert read_radiograph(path, frame=1).pixels.shape == (48, 40)
    for frame in (2, -1):
        with pytest.raises(RadiographError, match=rf"MV2406.*no frame {frame}"):
            read_radiograph(path, frame=frame)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_real_file__has_the_stated_outcome(real_data: Path, name: str) -> None:
    assert refusal(real_data / "broken" / name).code == BROKEN[name]


def test_broken_real_files__all_have_a_row(real_data: Path) -> None:
    folders = (real_data / "broken" / kind for kind in ("dicom", "images"))
    held = {f"{path.parent.name}/{path.name}" for folder in folders for path in folder.iterdir()}
    assert held == set(BROKEN)

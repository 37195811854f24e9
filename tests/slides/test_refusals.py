import struct
from pathlib import Path

import pytest

from medvlp.errors import SlideError
from medvlp.slides.reader import open_slide
from medvlp.slides.refusals import check_slide_file, explain_refusal

LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1938955\n"
)


def refusal(path: Path) -> SlideError:
    with pytest.raises(SlideError) as caught:
        open_slide(path)
    return caught.value


def test_check_slide_file__says_that_a_file_is_missing(tmp_path: Path) -> None:
    error = refusal(tmp_path / "gone.svs")
    assert error.code == "MV1208"
    assert "No such file" in error.reason


def test_check_slide_file__refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="is a folder") as caught:
        check_slide_file(tmp_path)
    assert caught.value.code == "MV1208"


def test_check_slide_file__says_that_a_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.svs").touch()
    error = refusal(tmp_path / "empty.svs")
    assert error.code == "MV1202"
    assert "0 bytes" in error.reason


def test_check_slide_file__recognises_a_git_lfs_pointer(tmp_path: Path) -> None:
    (tmp_path / "slide.svs").write_bytes(LFS_POINTER)
    error = refusal(tmp_path / "slide.svs")
    assert error.code == "MV1202"
    assert "git lfs pull" in error.hint


@pytest.mark.parametrize(
    "head",
    [
        b"II" + struct.pack("<HI", 42, 5000) + bytes(8),
        b"MM" + struct.pack(">HI", 42, 5000) + bytes(8),
        b"II" + struct.pack("<HHHQ", 43, 8, 0, 5000),
    ],
    ids=["little", "big", "bigtiff"],
)
def test_explain_refusal__finds_a_cut_off_tiff(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "slide.tif").write_bytes(head + bytes(100))
    error = refusal(tmp_path / "slide.tif")
    assert error.code == "MV1202"
    assert "starts at byte 5000, the file ends at 116" in error.reason


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x00" * 128 + b"DICM", "a DICOM file"),
    ],
)
def test_explain_refusal__names_what_the_file_is(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "slide.svs").write_bytes(head + bytes(200))
    error = refusal(tmp_path / "slide.svs")
    assert error.code == "MV1201"
    assert kind in error.reason


def test_explain_refusal__passes_the_decoder_s_reason_on(tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    path.write_bytes(b"no slide at all, just some words to fill the file")
    error = refusal(path)
    assert error.code == "MV1201"
    assert "Unsupported or missing image file" in error.reason
    assert "vips tiffsave" in error.hint


def test_explain_refusal__keeps_local_folders_out_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "slide.dcm"
    path.write_bytes(bytes(300))
    error = explain_refusal(path, f"Reading {path}: Unsupported transfer syntax 1.2.3")
    assert str(tmp_path) not in str(error)
    assert "JPEG 2000" in error.hint

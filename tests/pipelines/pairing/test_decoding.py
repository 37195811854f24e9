"""Any kind of image becomes RGB; what does not decode or says nothing is told by its reason."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import DataError
from medvlp.pipelines.pairing.decoding import (
    UnusableImageError,
    decode_rgb,
    image_fault,
    load_images,
    survey_images,
)
from medvlp.pipelines.pairing.settings import ImageQuality
from medvlp.types import ImagePreprocessing

SMALL = ImagePreprocessing(
    input_px=32, resize_px=32, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
)


def reason_of(rgb: np.ndarray) -> str:
    return image_fault(rgb.astype(np.uint8), ImageQuality())[0]


def test_image_fault__names_the_reason() -> None:
    noise = np.random.default_rng(0).integers(0, 255, size=(100, 100, 3))
    assert reason_of(noise) == ""
    assert reason_of(noise[:63]) == "image too small"
    assert reason_of(np.tile(noise, (1, 5, 1))) == "image out of aspect"
    assert reason_of(np.full((100, 100, 3), 128)) == "image nearly constant"
    paper = np.full((100, 100, 3), 250)
    paper[40:70, 40:70] = noise[:30, :30]
    assert reason_of(paper) == ""
    paper[50:70] = 250
    paper[:20, :20] = 0
    assert reason_of(paper) == "image nearly empty"


MODES = {
    ".jpg": ("RGB", "L", "CMYK"),
    ".png": ("RGB", "L", "P", "RGBA", "1"),
    ".tif": ("RGB", "L", "P", "RGBA", "CMYK", "1"),
    ".bmp": ("RGB", "L", "P", "1"),
    ".webp": ("RGB", "RGBA"),
}


@pytest.mark.parametrize(
    ("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes]
)
def test_decode_rgb__takes_every_format_and_mode(save_picture, tmp_path, suffix, mode) -> None:
    path = save_picture("a.png", 1)
    Image.open(path).convert(mode).save(tmp_path / f"b{suffix}")
    rgb = decode_rgb((tmp_path / f"b{suffix}").read_bytes())
    assert rgb.shape == (96, 96, 3)
    assert rgb.dtype == np.uint8


def test_decode_rgb__paints_transparent_parts_white_and_scales_16_bits(tmp_path: Path) -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert decode_rgb((tmp_path / "clear.png").read_bytes()).min() == 255
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    grey = decode_rgb((tmp_path / "deep.png").read_bytes())
    assert grey[0, 0, 0] == 0
    assert grey[-1, -1, 2] == 255
    assert abs(int(grey[4, 0, 1]) - int(deep[4, 0] / 257)) <= 1


def test_decode_rgb__turns_as_the_camera_says(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((10, 20, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert decode_rgb((tmp_path / "a.jpg").read_bytes()).shape == (20, 10, 3)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff\xd8\xff", b"RIFF0000WEBP"])
def test_decode_rgb__refuses_what_is_no_image(content: bytes) -> None:
    with pytest.raises(UnusableImageError) as caught:
        decode_rgb(content)
    assert "0x" not in str(caught.value)


def test_decode_rgb__refuses_every_cut_of_a_jpeg(save_picture) -> None:
    content = save_picture("a.jpg", 0).read_bytes()
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(UnusableImageError):
            decode_rgb(content[: int(len(content) * share)])


def test_survey_images__tells_good_and_bad_ones_apart(save_picture, tmp_path: Path) -> None:
    good = save_picture("good.png", 0)
    small = save_picture("small.png", 0, size=(20, 20))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    paths = [good, small, bad, tmp_path / "missing.png"]
    found = list(survey_images(paths, ImageQuality(), SMALL))
    assert [facts.reason for facts in found] == [
        "",
        "image too small",
        "image does not decode",
        "image cannot be read",
    ]
    assert found[0].content_sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    assert found[0].size_px == (96, 96)
    assert found[0].rgb is not None
    assert found[0].rgb.shape == (32, 32, 3)
    assert found[1].rgb is None
    assert found[3].content_sha256 == ""


def test_load_images__scales_down_and_never_up(save_picture) -> None:
    wide = save_picture("wide.png", 0, size=(200, 100))
    ((digest, rgb),) = load_images([wide], 80)
    assert rgb.shape == (40, 80, 3)
    assert digest == hashlib.sha256(wide.read_bytes()).hexdigest()
    for longest in (200, 500, None):
        assert next(load_images([wide], longest))[1].shape == (100, 200, 3)


def test_load_images__refuses_one_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could be read a while ago"):
        list(load_images([tmp_path / "gone.png"], None))


def test_survey_images__refuses_broken_real_files(real_data: Path) -> None:
    folder = real_data / "broken" / "images"
    names = ["vips_truncated.jpg", "vips_blankpage.pdf", "vips_invalid_multiframe.gif"]
    found = list(survey_images([folder / name for name in names], ImageQuality(), None))
    assert {facts.reason for facts in found} == {"image does not decode"}


def test_image_fault__accepts_real_tiles(real_data: Path) -> None:
    paths = sorted(path for path in (real_data / "tiles").rglob("*") if path.is_file())[::60]
    pictures = [path for path in paths if path.suffix in {".jpeg", ".jpg", ".png", ".tif"}]
    assert len(pictures) > 20
    bad = [
        (path.name, facts.reason, facts.detail)
        for path, facts in zip(pictures, survey_images(pictures, ImageQuality(), None), strict=True)
        if facts.reason
    ]
    assert not bad

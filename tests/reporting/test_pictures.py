import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from medvlp.reporting.pictures import embed_picture, save_png


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decoded(uri: str) -> Image.Image:
    head, text = uri.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_save_png__keeps_every_pixel_and_nothing_else(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", noise(30, 40))
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), noise(30, 40))
        assert picture.info == {}
    chunks = (tmp_path / "a.png").read_bytes()
    assert not [name for name in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf") if name in chunks]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_save_png__gives_equal_bytes_for_equal_pixels(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / name, noise(30, 40))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_embed_picture__shrinks_to_the_width(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", noise(100, 400))
    assert decoded(embed_picture(tmp_path / "a.png", width_px=100)).size == (100, 25)
    assert decoded(embed_picture(tmp_path / "a.png", width_px=900)).size == (400, 100)


def test_embed_picture__shrinks_a_tall_one_to_twice_the_width(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", noise(400, 50))
    assert decoded(embed_picture(tmp_path / "a.png", width_px=100)).size == (25, 200)


def test_embed_picture__takes_no_metadata_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    Image.fromarray(noise(20, 20)).save(tmp_path / "a.jpg", exif=exif, comment=b"Jane Doe")
    uri = embed_picture(tmp_path / "a.jpg", width_px=20)
    assert b"Jane" not in base64.b64decode(uri.split(",", 1)[1])

"""Usual images are taken byte by byte, others are turned into such, bad ones are records."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.data.image_codec import decode_image
from medvlp.pipelines.sharding.images import ready_images
from medvlp.pipelines.sharding.sources import ShardSample
from tests.pipelines.sharding.conftest import picture


def ready(path: Path, **options):
    sample = ShardSample(
        sample_id="s", path=path, place="here", captions=("a",), **options.pop("where", {})
    )
    (found,) = ready_images([sample], "png", options.pop("longest_px", None))
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_ready_images__takes_usual_files_as_they_are(tmp_path, kind):
    (tmp_path / "x").write_bytes(picture(0, kind))
    found = ready(tmp_path / "x")
    assert found.content == picture(0, kind)
    assert (found.encoding, found.size_px) == ({"PNG": "png", "JPEG": "jpg"}[kind], (16, 16))
    (tmp_path / "y").write_bytes(b"###" + picture(1, kind) + b"###")
    part = {"offset": 3, "size": len(picture(1, kind))}
    assert ready(tmp_path / "y", where=part).content == picture(1, kind)


def test_ready_images__stores_a_file_of_several_jpegs_as_jpeg(tmp_path):
    first, second = (Image.open(io.BytesIO(picture(number))) for number in (0, 1))
    first.save(tmp_path / "x", "MPO", save_all=True, append_images=[second], quality=95)
    found = ready(tmp_path / "x")
    assert found.encoding == "jpg"
    assert found.content == (tmp_path / "x").read_bytes()


def test_ready_images__turns_other_files_into_upright_rgb(tmp_path):
    rgb = np.asarray(Image.open(io.BytesIO(picture(0))))
    Image.fromarray(rgb).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode_image(ready(tmp_path / "a.tif").content, "x"), rgb)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(rgb).save(tmp_path / "b.png", exif=exif)
    turned = decode_image(ready(tmp_path / "b.png").content, "x")
    np.testing.assert_array_equal(turned, rgb[::-1, ::-1])
    small = ready(tmp_path / "a.tif", longest_px=8)
    assert (small.size_px, decode_image(small.content, "x").shape) == ((8, 8), (8, 8, 3))


@pytest.mark.parametrize("content", [None, b"", b"no image", picture(0, "JPEG")[:-40]])
def test_ready_images__tells_what_is_bad(tmp_path, content):
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    found = ready(tmp_path / "x")
    assert (found.content, found.code) == (b"", "MV1702")
    assert found.reason.startswith("here: ")


def test_ready_images__passes_on_faults_of_texts(tmp_path):
    (tmp_path / "x").write_bytes(picture(0))
    found = ready(tmp_path / "x", where={"fault": "it has no caption"})
    assert (found.content, found.code) == (b"", "MV1818")
    assert found.reason == "here: it has no caption"

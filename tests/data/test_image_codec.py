"""The fast decoder gives PIL's pixels, and what is not a whole usual JPEG goes to PIL."""

import io

import numpy as np
import pytest
from PIL import Image

from medvlp.data.image_codec import decode_image, encode_image
from medvlp.errors import MedvlpError

RGB = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


FILES = {
    "ours": encode_image(RGB, "jpg"),
    "subsampled": saved(Image.fromarray(RGB), quality=80, subsampling=2),
    "progressive": saved(Image.fromarray(RGB), progressive=True),
    "grey": saved(Image.fromarray(RGB[..., 0])),
    "cmyk": saved(Image.fromarray(RGB).convert("CMYK")),
    "trailing": encode_image(RGB, "jpg") + b"\0\0",
    "png": encode_image(RGB, "png"),
}


@pytest.mark.parametrize("name", FILES)
def test_decode_image__gives_the_pixels_of_pil(name):
    with Image.open(io.BytesIO(FILES[name])) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode_image(FILES[name], name), expected)


@pytest.mark.parametrize("name", ["ours", "subsampled", "grey", "png"])
def test_decode_image__refuses_a_part_of_a_file(name):
    content = FILES[name]
    end = content[: len(content) * 3 // 4] if name == "png" else content[:-2]
    for part in (content[: len(content) // 2], end, content[:20]):
        with pytest.raises(MedvlpError, match="MV1702"):
            decode_image(part, name)

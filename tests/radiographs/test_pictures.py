"""PNG and JPEG become the gray levels that PIL sees; colour and damage are refused."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from medvlp.errors import RadiographError
from medvlp.radiographs.image import Radiograph
from medvlp.radiographs.limits import RadiographLimits
from medvlp.radiographs.pictures import PictureHead, picture_head, read_picture
from tests.radiographs.films import gray_png_16, png_chunk, stored_film

GRAY = stored_film(8).astype(np.uint8)
RGB = np.repeat(GRAY[..., None], 3, axis=2)


def read(data: bytes, frame: int | None = None) -> Radiograph:
    return read_picture(data, "a", frame=frame, window=None, limits=RadiographLimits())


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def palette() -> Image.Image:
    image = Image.fromarray(GRAY).convert("P")
    ramp = np.arange(256)[::-1]
    image.putpalette(np.repeat(ramp, 3).astype(np.uint8).tolist())
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved(Image.fromarray(GRAY)), GRAY),
        (saved(Image.fromarray(RGB)), GRAY),
        (saved(Image.fromarray(np.dstack([RGB, np.full_like(GRAY, 255)]))), GRAY),
        (saved(Image.fromarray(np.dstack([GRAY, np.full_like(GRAY, 255)]), "LA")), GRAY),
        (saved(palette()), 255 - GRAY),
        (saved(Image.fromarray(GRAY).convert("1")), np.asarray(Image.fromarray(GRAY).convert("1"))),
        (saved(Image.fromarray(GRAY), interlace=1), GRAY),
    ],
    ids=["gray", "gray as RGB", "RGBA", "LA", "palette", "1 bit", "interlaced"],
)
def test_png__of_every_kind_shows_the_same(data: bytes, expected: np.ndarray) -> None:
    found = read(data)
    full = 1.0 if expected.dtype == np.bool_ else 255.0
    np.testing.assert_array_equal(found.pixels, (expected / full).astype(np.float32))
    assert found.value_range == "full-range"
    assert found.notes == ()
    assert found.spacing_mm is None
    assert found.view is None


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg__shows_what_pil_shows(mode: str) -> None:
    data = saved(Image.fromarray(GRAY).convert(mode), "JPEG", quality=90)
    expected = Image.open(io.BytesIO(data))
    expected = expected if mode == "L" else expected.convert("RGB").convert("L")
    np.testing.assert_array_equal(
        read(data).pixels, (np.asarray(expected) / 255).astype(np.float32)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation__is_followed(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(GRAY), kind, exif=exif)
    found = read(data)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(found.pixels, (np.asarray(expected) / 255).astype(np.float32))
    assert found.pixels.shape == (GRAY.shape if orientation < 5 else GRAY.shape[::-1])
    assert bool(found.notes) == (orientation != 1)


def test_transparency__is_black_and_noted() -> None:
    alpha = np.full_like(GRAY, 255)
    alpha[:12] = 0
    alpha[12:24] = 128
    for data in (
        saved(Image.fromarray(np.dstack([RGB, alpha]))),
        saved(Image.fromarray(np.dstack([GRAY, alpha]), "LA")),
    ):
        found = read(data)
        np.testing.assert_allclose(found.pixels, GRAY / 255 * (alpha / 255), rtol=0, atol=1e-6)
        assert found.notes == ("50.0% of the pixels are transparent, shown on black",)
    key = saved(Image.fromarray(np.where(GRAY > 200, 0, GRAY)), transparency=0)
    assert "transparent" in read(key).notes[0]


def test_colour__is_refused_with_its_share() -> None:
    coloured = RGB.copy()
    coloured[:12, :, 0] = 255
    coloured[:12, :, 2] = 0
    with pytest.raises(RadiographError, match=r"MV2407: a is coloured in 25.0% of its pixels"):
        read(saved(Image.fromarray(coloured)))
    wide = coloured.astype(np.uint16) * 257
    with pytest.raises(RadiographError, match=r"MV2407: a is coloured in 25.0% of its pixels"):
        read(imagecodecs.png_encode(wide))


def test_a_little_colour__is_noted_and_read() -> None:
    arrow = RGB.copy()
    arrow[:3, :12] = (255, 0, 0)  # 36 of 1920 pixels
    found = read(saved(Image.fromarray(arrow)))
    assert found.notes == ("1.88% of the pixels are coloured and read as gray",)
    np.testing.assert_array_equal(found.pixels[3:], (GRAY[3:] / 255).astype(np.float32))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits__keeps_them_all(channels: int) -> None:
    stored = stored_film(16)
    layers = [stored] if channels < 3 else [stored] * 3
    if channels in {2, 4}:
        layers.append(np.full_like(stored, 65535))
    data = imagecodecs.png_encode(np.squeeze(np.dstack(layers)).astype(np.uint16))
    found = read(data)
    low, high = np.percentile(stored, (0.5, 99.5))
    expected = np.clip((stored - low) / (high - low), 0, 1)
    np.testing.assert_allclose(found.pixels, expected, rtol=0, atol=1e-6)
    assert found.value_range == "percentiles"
    assert found.bits_stored == 16
    assert len(np.unique(found.pixels)) > 1000
    assert found.notes == (
        "no window is stated; percentiles of the pixels inside the border are used",
    )


def test_png_of_16_bits__decodes_as_pil_does() -> None:
    stored = stored_film(16)
    data = gray_png_16(stored)
    assert Image.open(io.BytesIO(data)).mode == "I;16"
    found = read_picture(
        data,
        "a",
        frame=None,
        window=None,
        limits=RadiographLimits(),
    )
    expected = np.asarray(Image.open(io.BytesIO(data))).astype(np.float64)
    low, high = np.percentile(expected, (0.5, 99.5))
    np.testing.assert_allclose(
        found.pixels, np.clip((expected - low) / (high - low), 0, 1), rtol=0, atol=1e-6
    )


def test_several_pictures__need_a_choice() -> None:
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    data = saved(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(RadiographError, match=r"MV2406: a holds 2 frames"):
        read(data)
    np.testing.assert_array_equal(read(data, 1).pixels, ((255 - GRAY) / 255).astype(np.float32))
    for several, frame in ((data, 2), (saved(frames[0]), 1), (gray_png_16(GRAY), 1)):
        with pytest.raises(RadiographError, match=rf"MV2406: a has no frame {frame}"):
            read(several, frame)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_cut_off_pictures__are_refused(kind: str) -> None:
    data = saved(Image.fromarray(GRAY), kind)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(RadiographError, match="MV2402"):
            read(data[: int(len(data) * share)])
    wide = gray_png_16(stored_film(16))
    with pytest.raises(RadiographError, match="MV2402"):
        read(wide[: len(wide) // 2])


def test_damaged_pictures__never_raise_anything_else() -> None:
    rng = np.random.default_rng(0)
    options = {"PNG": {}, "JPEG": {"quality": 80}}
    wholes = [saved(Image.fromarray(RGB), kind, **more) for kind, more in options.items()]
    for whole in [*wholes, gray_png_16(stored_film(16))]:
        for _ in range(150):
            raw = bytearray(whole)
            for at in rng.integers(8, len(raw), 3):
                raw[at] = rng.integers(0, 256)
            assert outcome(bytes(raw))[:4] in {"", "MV24"}


def outcome(data: bytes) -> str:
    """The code of the refusal, or nothing."""
    try:
        read(data)
    except RadiographError as error:
        return error.code
    return ""


def test_bombs__are_refused_before_decoding() -> None:
    """The body would unpack to 1 GB, and there is not even a whole body."""
    head = struct.pack(">IIBBBBB", 32_000, 32_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", b"")
    with pytest.raises(RadiographError, match=r"MV2403: a declares 32000 x 32000 pixels"):
        read(bomb)
    jpeg = bytearray(saved(Image.fromarray(GRAY), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, at + 5, 65_000, 65_000)
    with pytest.raises(RadiographError, match=r"MV2403: a declares 65000 x 65000 pixels"):
        read(bytes(jpeg))


def test_a_jpeg_of_two_sizes__is_refused() -> None:
    """The first header states a small picture, the second one a huge one."""
    jpeg = saved(Image.fromarray(GRAY), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    second = bytearray(jpeg[at : at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]])
    struct.pack_into(">HH", second, 5, 9000, 9000)
    with pytest.raises(RadiographError, match=r"MV2402: a is cut off or damaged.* two sizes"):
        read(jpeg[: at + len(second)] + bytes(second) + jpeg[at + len(second) :])


def test_a_text_bomb__is_refused() -> None:
    packed = b"comment\0\0" + zlib.compress(bytes(80 << 20), 9)
    data = saved(Image.fromarray(GRAY))
    at = data.index(b"IDAT") - 4
    with pytest.raises(RadiographError, match="MV2402"):
        read(data[:at] + png_chunk(b"zTXt", packed) + data[at:])


def test_jpeg_of_12_bits__is_refused_by_its_bits() -> None:
    jpeg = bytearray(saved(Image.fromarray(GRAY), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(RadiographError, match=r"MV2410: a has 12 bits a sample"):
        read(bytes(jpeg))


def test_picture_head__knows_pictures_only() -> None:
    assert picture_head(saved(Image.fromarray(RGB))) == PictureHead(48, 40, 8)
    assert picture_head(saved(Image.fromarray(GRAY), "JPEG")) == PictureHead(48, 40, 8)
    assert picture_head(gray_png_16(GRAY)) == PictureHead(48, 40, 16)
    for other in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", saved(Image.fromarray(GRAY), "GIF")):
        assert picture_head(other) is None

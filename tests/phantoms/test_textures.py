import numpy as np
import pytest

from medvlp.phantoms.classes import CLASSES, TUMORS
from medvlp.phantoms.stains import draw_staining
from medvlp.phantoms.textures import TextureBank, paint_texture


def test_paint_texture__tumors_are_told_apart_by_texture_and_not_by_colour(baselines):
    tiles, label, slide = [], [], []
    for number, key in enumerate(TUMORS):
        for one in range(10):
            rng = np.random.default_rng((number, one))
            square = paint_texture(rng, key, 512, 0.5, draw_staining(rng))
            for y in (0, 256):
                for x in (0, 256):
                    tiles.append(square[y : y + 256, x : x + 256])
                    label.append(number)
                    slide.append(100 * number + one)

    colour, texture = baselines(tiles, label, slide)

    assert colour < 0.55  # chance is 0.25; the promise is 0.6
    assert texture >= 0.95


@pytest.mark.parametrize("key", [item.key for item in CLASSES])
def test_paint_texture__is_seeded_and_uint8(key):
    staining = draw_staining(np.random.default_rng(0))

    first = paint_texture(np.random.default_rng(1), key, 128, 0.5, staining)
    again = paint_texture(np.random.default_rng(1), key, 128, 0.5, staining)
    other = paint_texture(np.random.default_rng(2), key, 128, 0.5, staining)

    assert first.shape == (128, 128, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_texture_bank__cuts_wrap_around_in_eight_orientations():
    field = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    bank = TextureBank({3: field}, reach_px=20)

    seen = set()
    for turn in range(8):
        cut = bank.cut(3, turn, (1000, 77), (64, 128, 20, 12))
        assert cut.shape == (3, 12, 20)
        again = bank.cut(3, turn, (1000, 77), (64 - 32, 128 + 320, 20, 12))
        np.testing.assert_array_equal(cut, again)
        seen.add(cut.tobytes())
    assert len(seen) == 8
    expected = np.roll(field, (-(128 + 77), -(64 + 1000)), (0, 1))[:12, :20]
    actual = bank.cut(3, 0, (1000, 77), (64, 128, 20, 12))
    np.testing.assert_array_equal(actual, expected.transpose(2, 0, 1))

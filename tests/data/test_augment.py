"""Augmentation turns and tints a tile within its bounds, and the same seed gives the same tile."""

import numpy as np
import pytest

from medvlp.data.augment import AugmentSettings, augment_tile, crop_tile
from medvlp.errors import ConfigError

PLAIN = AugmentSettings(turns=False, contrast=0.0, tint=0.0, brightness=0.0)


@pytest.fixture
def tile() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def test_augment_tile__is_fixed_by_its_randomness(tile):
    def run(seed):
        return augment_tile(tile, AugmentSettings(), np.random.default_rng(seed))

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_augment_tile__with_nothing_allowed_changes_nothing(tile):
    before = tile.copy()
    for seed in range(5):
        actual = augment_tile(tile, PLAIN, np.random.default_rng(seed))
        np.testing.assert_array_equal(actual, tile)
    np.testing.assert_array_equal(tile, before)


def test_augment_tile__reaches_all_eight_ways_of_laying_a_tile(tile):
    turned = PLAIN.model_copy(update={"turns": True})
    seen = {augment_tile(tile, turned, np.random.default_rng(seed)).tobytes() for seed in range(80)}
    flipped = tile.transpose(1, 0, 2)
    expected = {np.rot90(t, k).tobytes() for t in (tile, flipped) for k in range(4)}
    assert seen == expected


def test_augment_tile__keeps_colour_within_its_bounds_and_glass_white():
    settings = AugmentSettings(contrast=0.1, tint=0.05, brightness=0.0)
    grey = np.full((2, 2, 3), 100, dtype=np.uint8)
    grey[0] = 255
    low = 255 * (100 / 255) ** (1.1 * 1.05)
    high = 255 * (100 / 255) ** (0.9 * 0.95)
    for seed in range(50):
        actual = augment_tile(grey, settings, np.random.default_rng(seed))
        assert {255}.issubset(set(actual.ravel().tolist()))
        tissue = actual[actual < 255]
        assert low - 0.5 <= tissue.min() <= tissue.max() <= high + 0.5


def test_augment_tile__draws_the_same_number_whatever_is_allowed(tile):
    ends = []
    for settings in (PLAIN, AugmentSettings()):
        rng = np.random.default_rng(4)
        augment_tile(tile, settings, rng)
        ends.append(rng.random())
    assert ends[0] == ends[1]


def test_augment_settings__refuse_what_would_change_the_tissue():
    from medvlp.config.strict import parse_model

    with pytest.raises(ConfigError, match=r"contrast=0\.9"):
        parse_model({"contrast": 0.9}, AugmentSettings, source="x")


def test_crop_tile__reaches_every_place_and_no_other(tile):
    seen = {crop_tile(tile, 4, np.random.default_rng(seed)).tobytes() for seed in range(200)}
    places = {tile[i : i + 4, j : j + 4].tobytes() for i in range(3) for j in range(3)}
    assert seen == places
    np.testing.assert_array_equal(crop_tile(tile, 6, np.random.default_rng(0)), tile)

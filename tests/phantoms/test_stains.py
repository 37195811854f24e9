import numpy as np
import pytest

from medvlp.phantoms.cells import StainField
from medvlp.phantoms.stains import Staining, colour_field, draw_staining


def test_colour_field__follows_lambert_and_beer():
    field = StainField(np.full((64, 64), 0.5, np.float32), np.full((64, 64), 0.25, np.float32), 0.5)
    staining = Staining((0.6, 0.7, 0.4), (0.2, 0.8, 0.5), (240.0, 242.0, 244.0))

    rgb = colour_field(np.random.default_rng(0), field, staining)

    # by hand: 240 exp(-(0.5*0.6 + 0.25*0.2)), ...; half a level less by cutting to whole levels
    expected = [
        240 * np.exp(-0.35) - 0.5,
        242 * np.exp(-0.55) - 0.5,
        244 * np.exp(-0.325) - 0.5,
    ]
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb.mean(axis=(0, 1)), expected, atol=0.3)
    assert rgb.std(axis=(0, 1)) == pytest.approx(staining.grain, rel=0.15)


def test_colour_field__without_stain_is_glass():
    zero = np.zeros((32, 32), np.float32)
    staining = Staining((0.6, 0.7, 0.4), (0.2, 0.8, 0.5), (240.0, 230.0, 244.0), grain=0.0)

    rgb = colour_field(np.random.default_rng(0), StainField(zero, zero, 0.5), staining)

    assert (rgb == [240, 230, 244]).all()


def test_draw_staining__varies_hue_and_strength():
    stainings = [draw_staining(np.random.default_rng(seed)) for seed in range(40)]

    strength = np.array([np.linalg.norm(item.hematoxylin) for item in stainings])
    hue = np.array([np.array(item.eosin) / np.linalg.norm(item.eosin) for item in stainings])
    assert strength.std() > 0.15
    assert strength.min() >= 0.5 - 1e-6
    assert hue.std(axis=0).max() > 0.03
    assert all(item.eosin[1] > item.eosin[0] for item in stainings)  # eosin stays pink

import numpy as np
import pytest

from medvlp.slides.staining import (
    DEFAULT_GLASS_RGB,
    estimate_glass_rgb,
    local_detail,
    optical_density,
)


def test_estimate_glass_rgb__is_the_median_of_the_glass() -> None:
    rgb = np.full((100, 100, 3), (238, 236, 241), np.uint8)
    rgb[20:80, 20:80] = (200, 120, 170)
    assert estimate_glass_rgb(rgb) == (238, 236, 241)


def test_estimate_glass_rgb__follows_a_dim_lamp_but_not_grey_dirt() -> None:
    rgb = np.full((100, 100, 3), 190, np.uint8)
    rgb[:60] = 155
    assert estimate_glass_rgb(rgb) == (190, 190, 190)


def test_estimate_glass_rgb__falls_back_where_no_glass_is_seen() -> None:
    rgb = np.full((100, 100, 3), (200, 120, 170), np.uint8)
    rgb[0, :20] = 250
    assert estimate_glass_rgb(rgb) == DEFAULT_GLASS_RGB


def test_optical_density__by_hand() -> None:
    # glass 249 + 1 = 250; red 24 + 1 = 25 lets a tenth through, green all, blue more than all
    rgb = np.array([[[24, 249, 255]]], np.uint8)
    density = optical_density(rgb, (249.0, 249.0, 249.0))
    assert density.shape == (3, 1, 1)
    assert density.dtype == np.float32
    assert density[:, 0, 0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


def test_optical_density__of_two_layers_adds_up() -> None:
    glass = (255.0, 255.0, 255.0)
    # 256 -> 64 -> 16: each layer lets a quarter through
    one, two = (optical_density(np.full((1, 1, 3), v, np.uint8), glass) for v in (63, 15))
    assert two == pytest.approx(2 * one, rel=1e-5)


def test_local_detail__tells_structure_from_gradients() -> None:
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (200, 1))
    checks = ramp + 0.05 * (np.indices((200, 200)).sum(axis=0) % 2).astype(np.float32)
    inside = (slice(20, -20), slice(20, -20))
    assert local_detail(ramp, 8.0)[inside].max() < 0.002
    assert local_detail(checks, 8.0)[inside].min() > 0.02

"""Windows, tables and percentiles against the standard's formulas worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medvlp.radiographs.display import (
    LookupTable,
    Window,
    is_blank,
    look_up,
    percentile_range,
    window_values,
)


def test_window_values__linear_by_hand() -> None:
    # center 40, width 5: from 40 - 0.5 - 2 = 37.5 (0) to 41.5 (1), in steps of a quarter
    values = np.array([37.0, 37.5, 38.5, 39.5, 40.5, 41.5, 42.0])
    expected = [0, 0, 0.25, 0.5, 0.75, 1, 1]
    np.testing.assert_allclose(window_values(values, Window(40, 5)), expected, rtol=0, atol=1e-12)


def test_window_values__linear_exact_by_hand() -> None:
    # center 40, width 4: from 38 (0) to 42 (1)
    found = window_values(np.array([37.0, 38, 39, 40, 42, 43]), Window(40, 4, "LINEAR_EXACT"))
    np.testing.assert_allclose(found, [0, 0, 0.25, 0.5, 1, 1], rtol=0, atol=1e-12)
    tiny = window_values(np.array([0.1, 0.3]), Window(0.2, 0.4, "LINEAR_EXACT"))
    np.testing.assert_allclose(tiny, [0.25, 0.75], rtol=0, atol=1e-12)


def test_window_values__sigmoid_by_hand() -> None:
    # 1 / (1 + exp(-4 (x - c) / w)) with c = 10, w = 4
    found = window_values(np.array([10.0, 11, 9, -1e9, 1e9]), Window(10, 4, "SIGMOID"))
    e = np.e
    np.testing.assert_allclose(found, [0.5, e / (1 + e), 1 / (1 + e), 0, 1], rtol=0, atol=1e-12)


def test_window_values__of_width_one_is_a_step() -> None:
    found = window_values(np.array([38.0, 39.4, 39.5, 39.6, 41]), Window(40, 1))
    assert found.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "window",
    [
        Window(0, 0.5),
        Window(0, 0),
        Window(0, -3),
        Window(np.nan, 3),
        Window(0, np.inf),
        Window(0, 0, "SIGMOID"),
        Window(0, 0, "LINEAR_EXACT"),
    ],
)
def test_window__that_the_standard_does_not_define_is_not_usable(window: Window) -> None:
    assert not window.is_usable
    with pytest.raises(ValueError, match="is not defined"):
        window_values(np.zeros(3), window)


def test_look_up__takes_the_ends_beyond_the_table() -> None:
    table = LookupTable(-2, np.array([7, 8, 9]), 4, 4)
    found = look_up(np.array([-9.0, -2, -1.4, -0.6, 0, 5]), table)
    assert found.tolist() == [7, 7, 8, 8, 9, 9]


def test_percentile_range__leaves_the_uniform_border_out() -> None:
    inner = np.linspace(1000, 3000, 60 * 50).reshape(60, 50)
    values = np.full((100, 90), 60000.0)
    values[20:80, 15:65] = inner
    expected = tuple(np.percentile(inner, (0.5, 99.5)))
    assert percentile_range(values) == pytest.approx(expected, rel=0, abs=1e-9)
    one_side = np.concatenate([np.zeros((60, 9)), inner], axis=1)
    assert percentile_range(one_side) == pytest.approx(expected, rel=0, abs=1e-9)


def test_percentile_range__counts_what_counts() -> None:
    values = np.random.default_rng(0).integers(100, 200, (50, 50)).astype(np.float64)
    counted = np.ones((50, 50), np.bool_)
    values[10:40, 10:40], counted[10:40, 10:40] = 9999, False
    low, high = percentile_range(values, counted)
    assert 100 <= low < high <= 199
    assert percentile_range(values, np.zeros((50, 50), np.bool_)) is None


def test_percentile_range__of_few_pixels_and_of_none() -> None:
    assert percentile_range(np.full((40, 40), 7.0)) is None
    values = np.zeros((400, 400))
    values[[0, -1], :], values[:, [0, -1]] = 5.0, 5.0
    values[0, 0] = 0.0
    assert percentile_range(values) == (0.0, 5.0)


def test_is_blank__looks_at_nearly_all_pixels() -> None:
    pixels = np.full((300, 300), 0.5, np.float32)
    assert is_blank(pixels)
    pixels += np.random.default_rng(0).normal(0, 0.002, pixels.shape).astype(np.float32)
    assert is_blank(pixels)
    pixels[:9, :9] = 1.0  # 0.09 %: a mark in a corner
    assert is_blank(pixels)
    pixels[100:150, 100:150] = 1.0  # 2.8 %
    assert not is_blank(pixels)
    assert is_blank(np.zeros((40, 40), np.float32))
    assert is_blank(np.ones((40, 40), np.float32))
    assert not is_blank(np.linspace(0.4, 0.5, 1600, dtype=np.float32).reshape(40, 40))

import numpy as np
import pytest

from medvlp.phantoms.windows import open_window


def test_window__spread_of_a_plane_is_the_plane():
    step = 16
    row, col = np.mgrid[0:20, 0:30].astype(np.float32)
    plane = 3 * (row + 0.5) * step - 2 * (col + 0.5) * step  # value at the centre of a map pixel
    window = open_window((37, 50, 64, 90), plane.shape, step)

    actual = window.spread(window.cut(plane))

    y, x = np.mgrid[50:140, 37:101] + 0.5
    assert actual.shape == (90, 64)
    np.testing.assert_allclose(actual, 3 * y - 2 * x, atol=1e-2)


@pytest.mark.parametrize("step", [2, 8, 32])
def test_window__spread_does_not_depend_on_the_rectangle(step):
    values = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    large = open_window((64, 64, 128, 128), values.shape, step)
    small = open_window((64 + 33, 64 + 50, 70, 41), values.shape, step)

    expected = large.spread(large.cut(values))[50:91, 33:103]
    np.testing.assert_array_equal(small.spread(small.cut(values)), expected)


def test_window__beyond_the_map_the_edge_goes_on():
    values = np.full((4, 4), 5, dtype=np.float32)
    window = open_window((-40, 50, 200, 100), values.shape, 16)

    assert (window.spread(window.cut(values)) == 5).all()


def test_window__touches_what_lies_in_it_or_one_map_pixel_beside():
    values = np.zeros((16, 16), dtype=np.uint8)
    values[8, 8] = 1

    assert open_window((128, 128, 16, 16), values.shape, 16).touches(values)
    assert open_window((144, 128, 16, 16), values.shape, 16).touches(values)
    assert not open_window((160, 128, 16, 16), values.shape, 16).touches(values)

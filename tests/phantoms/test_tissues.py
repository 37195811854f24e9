import numpy as np
import pytest
from scipy import ndimage

from medvlp.phantoms.tissues import (
    draw_clear_cell,
    draw_fat,
    draw_small_cell,
    draw_stroma,
    fibres,
    warp_of,
)

ALL = [draw_clear_cell, draw_small_cell, draw_stroma, draw_fat]


def nuclei_per_mm2(field):
    smooth = ndimage.gaussian_filter(field.hematoxylin, 1.5 / field.mpp, mode="wrap")
    highest = ndimage.maximum_filter(smooth, round(5 / field.mpp), mode="wrap")
    count = np.count_nonzero((smooth == highest) & (smooth > 0.4))
    return count / (field.hematoxylin.size * field.mpp**2 / 1e6)


@pytest.mark.parametrize("draw", ALL)
def test_draw__is_seeded_positive_and_wraps_around(draw):
    field = draw(np.random.default_rng(1), 256, 0.5, 1.0)
    again = draw(np.random.default_rng(1), 256, 0.5, 1.0)

    np.testing.assert_array_equal(field.hematoxylin, again.hematoxylin)
    np.testing.assert_array_equal(field.eosin, again.eosin)
    for stain in (field.hematoxylin, field.eosin):
        assert stain.dtype == np.float32
        assert stain.shape == (256, 256)
        assert stain.min() >= 0
        inner = np.abs(np.diff(stain, axis=0)).mean()
        assert np.abs(stain[0] - stain[-1]).mean() < 2 * inner


@pytest.mark.parametrize("draw", ALL)
def test_draw__keeps_its_stains_at_another_scale(draw):
    coarse = draw(np.random.default_rng(1), 256, 1.0, 1.0)
    fine = draw(np.random.default_rng(1), 512, 0.5, 1.0)

    assert coarse.eosin.mean() == pytest.approx(fine.eosin.mean(), rel=0.25)
    assert coarse.hematoxylin.mean() == pytest.approx(fine.hematoxylin.mean(), rel=0.25)


def test_draw__tissues_differ_in_nuclear_density():
    small = nuclei_per_mm2(draw_small_cell(np.random.default_rng(4), 512, 0.5, 1.0))
    clear = nuclei_per_mm2(draw_clear_cell(np.random.default_rng(4), 512, 0.5, 1.0))
    stroma = nuclei_per_mm2(draw_stroma(np.random.default_rng(4), 512, 0.5, 1.0))
    fat = nuclei_per_mm2(draw_fat(np.random.default_rng(4), 512, 0.5, 1.0))

    assert 3000 < clear < 7000
    assert small > 1.5 * clear
    assert clear > 2 * stroma
    assert stroma > fat


def test_draw_fat__is_nearly_all_empty():
    field = draw_fat(np.random.default_rng(2), 256, 0.5, 1.0)

    assert np.median(field.eosin) < 0.02


def test_fibres__direction_follows_the_fibres():
    contrast, direction = fibres(np.random.default_rng(0), 256, 0.5)
    row, col = np.mgrid[0:256, 0:256].astype(np.float32)
    along = (row + 4 * np.sin(direction), col + 4 * np.cos(direction))
    across = (row + 4 * np.cos(direction), col - 4 * np.sin(direction))

    def change(there):
        moved = ndimage.map_coordinates(contrast, there, order=1, mode="grid-wrap")
        return np.abs(moved - contrast).mean()

    assert change(along) < 0.5 * change(across)


def test_warp_of__has_the_wanted_amount():
    x, y = warp_of(np.random.default_rng(0), 64, 20.0, 3.0)

    assert x.std() == pytest.approx(3, rel=1e-3)
    assert y.std() == pytest.approx(3, rel=1e-3)
    assert not np.array_equal(x, y)

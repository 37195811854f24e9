"""Outlines and textures."""

import numpy as np
import pytest

from medvlp.phantoms.chest.shapes import outline, texture


@pytest.fixture
def grid():
    axis = np.arange(-60, 60, dtype=np.float32)
    return np.meshgrid(axis, axis)


def draw(shape, grid, seed=0, turn=0.0):
    rng = np.random.default_rng(seed)
    return outline(rng, shape, *grid, size_mm=60.0, turn=turn) > 0


@pytest.mark.parametrize("shape", ["round", "ring", "band", "patch", "wedge", "streaks"])
def test_outline__is_about_as_long_as_asked(shape, grid):
    for seed in range(5):
        rows, cols = np.nonzero(draw(shape, grid, seed))
        longest = max(np.ptp(rows), np.ptp(cols)) + 1
        assert 42 <= longest <= 78


def test_ring__is_hollow(grid):
    inside = draw("ring", grid)
    assert not inside[60, 60]
    assert inside[60, 60 + 24]


def test_band__is_long_and_thin(grid):
    assert draw("band", grid).sum() < 0.3 * draw("round", grid).sum() * 1.6


def test_wedge__points_where_it_is_told(grid):
    for turn, (row, col) in ((0.0, (60, 92)), (np.pi / 2, (92, 60))):
        inside = draw("wedge", grid, turn=turn)
        assert inside[row, col]
        assert not inside[120 - row, 120 - col]


def test_streaks__are_several_lines(grid):
    inside = draw("streaks", grid)
    column = inside[:, 60 - 15].astype(int)
    assert np.sum(np.diff(column) == 1) == 5


def test_texture__differs_in_spread_and_scale(grid):
    fields = {
        kind: texture(np.random.default_rng(1), kind, *grid, 1.0)
        for kind in ("uniform", "speckled", "striped", "mottled")
    }
    assert fields["uniform"].std() == 0
    for kind in ("speckled", "striped", "mottled"):
        assert fields[kind].std() > 0.2
        assert 0.7 < fields[kind].mean() < 1.2
    step = {kind: np.abs(np.diff(field, axis=1)).mean() for kind, field in fields.items()}
    assert step["speckled"] > 2 * step["mottled"]

"""Pixels in the body."""

import numpy as np
import pytest

from medvlp.phantoms.chest.frame import Frame, edge, ellipse, segment


def test_grid__has_the_centre_in_the_middle_and_the_spacing():
    frame = Frame(size_px=(5, 7), spacing_mm=2.0, centre_mm=(10.0, 100.0))
    x, y = frame.grid_mm()
    assert x.shape == y.shape == (5, 7)
    assert (x[2, 3], y[2, 3]) == (10.0, 100.0)
    assert (x[0, 4] - x[0, 3], y[1, 0] - y[0, 0]) == (2.0, 2.0)


def test_window__holds_a_point_and_what_lies_around_it():
    frame = Frame(size_px=(200, 180), spacing_mm=1.7, turn_rad=0.08, centre_mm=(3.0, 110.0))
    x, y = frame.grid_mm()
    near = np.hypot(x - 60, y - 140) < 30
    inside = np.zeros_like(near)
    inside[frame.window((60.0, 140.0), 30.0)] = True
    assert near.any()
    assert inside[near].all()
    assert inside.sum() < 2 * near.sum()


def test_window__beyond_the_picture_is_empty():
    frame = Frame(size_px=(20, 20), spacing_mm=1.0)
    assert np.zeros((20, 20))[frame.window((500.0, 0.0), 5.0)].size == 0


def test_edge__rises_over_its_width():
    values = edge(np.array([-2, -1, 0, 1, 2], dtype=np.float32), 2.0)
    assert values == pytest.approx([0, 0, 0.5, 1, 1])


def test_ellipse__is_zero_on_its_border_and_turns():
    x, y = np.array([6.0, 1.0], dtype=np.float32), np.array([2.0, 7.0], dtype=np.float32)
    assert ellipse(x, y, (1.0, 2.0), (5.0, 3.0))[0] == pytest.approx(0, abs=1e-5)
    assert ellipse(x, y, (1.0, 2.0), (5.0, 3.0), np.pi / 2)[1] == pytest.approx(0, abs=1e-4)


def test_segment__measures_to_the_nearest_point():
    x, y = np.array([5.0, -3.0], dtype=np.float32), np.array([2.0, 4.0], dtype=np.float32)
    assert segment(x, y, (0.0, 0.0), (10.0, 0.0)) == pytest.approx([2, 5], abs=1e-5)

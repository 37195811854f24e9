"""Painting onto a slab."""

import numpy as np
import pytest

from medvlp.phantoms.abdomen.canvas import Canvas
from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine
from medvlp.phantoms.abdomen.shapes import Ellipsoid

BALL = Ellipsoid((0.0, 0.0, 0.0), (8.0, 8.0, 8.0))


@pytest.fixture
def canvas():
    size = (21, 21, 21)
    affine = grid_affine(size, (1.0, 1.0, 1.0), "LPS", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return Canvas(ScanGrid(size, affine), "V", 1.0)


def test_canvas__starts_as_air(canvas):
    assert (canvas.hu == -1000).all()
    assert not canvas.labels.any()


def test_paint__mixes_at_the_edge_and_labels_where_it_is_more_than_half(canvas):
    canvas.paint(BALL, 100.0, 5)
    assert canvas.hu[10, 10, 10] == 100
    assert canvas.hu[0, 0, 0] == -1000
    edge = canvas.hu[10, 10, 18]  # on the surface itself
    assert -1000 < edge < 100
    expected = 4 / 3 * np.pi * 8**3
    assert (canvas.labels == 5).sum() == pytest.approx(expected, rel=0.03)
    assert np.array_equal(canvas.labels == 5, canvas.hu >= -450)


def test_paint__lays_the_later_over_the_earlier_and_can_leave_or_clear_labels(canvas):
    canvas.paint(BALL, 100.0, 5)
    small = Ellipsoid((0.0, 0.0, 0.0), (4.0, 4.0, 4.0))
    canvas.paint(small, 40.0)
    assert (canvas.hu[10, 10, 10], canvas.labels[10, 10, 10]) == (40, 5)
    canvas.paint(small, 30.0, 0)
    assert (canvas.hu[10, 10, 10], canvas.labels[10, 10, 10]) == (30, 0)


def test_paint__in_the_cavity_leaves_out_the_rest(canvas):
    canvas.cavity = (np.arange(21) < 10).astype(np.float32).reshape(1, 1, 21)
    canvas.paint(BALL, 100.0, 5, in_cavity=True)
    assert canvas.hu[10, 10, 9] == 100
    assert canvas.hu[10, 10, 10] == -1000


def test_cover__says_none_outside_the_slab(canvas):
    assert canvas.cover(Ellipsoid((300.0, 0.0, 0.0), (8.0, 8.0, 8.0))) is None
    canvas.paint(Ellipsoid((300.0, 0.0, 0.0), (8.0, 8.0, 8.0)), 100.0, 5)
    assert not canvas.labels.any()

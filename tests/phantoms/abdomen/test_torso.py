"""The trunk and what holds it."""

import numpy as np
import pytest

from medvlp.phantoms.abdomen.canvas import Canvas
from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.patients import Build
from medvlp.phantoms.abdomen.torso import VERTEBRAE, paint_spine, paint_table, paint_torso

BUILD = Build(scale=1.0, fat_mm=20.0)


def painted(build=BUILD, *, table=False):
    size = (100, 90, 110)
    affine = grid_affine(size, (4.0, 4.0, 4.0), "LPS", (0.0, 0.0, 0.0), (0.0, -20.0, -20.0))
    canvas = Canvas(ScanGrid(size, affine), "V", 1.0)
    paint_torso(canvas, build)
    if table:
        paint_table(canvas, build)
    paint_spine(canvas, build)
    return canvas


@pytest.fixture(scope="module")
def canvas():
    return painted(table=True)


def at(canvas, x, y, z):
    index = np.linalg.inv(canvas.grid.affine) @ (x, y, z, 1)
    column, row, plane = (round(float(value)) for value in index[:3])
    return canvas.hu[plane, row, column], canvas.labels[plane, row, column]


def test_torso__has_air_outside_and_fat_muscle_and_fat_inside(canvas):
    assert at(canvas, 200, -42, -100)[0] == -1000
    assert at(canvas, 147, -42, -100)[0] == pytest.approx(-103, abs=15)
    assert at(canvas, 131, -42, -100)[0] == pytest.approx(62, abs=40)
    assert at(canvas, 90, -42, -100)[0] == pytest.approx(-98, abs=10)


def test_torso__has_lungs_above_and_ribs_at_its_sides(canvas):
    hu, label = at(canvas, -70, -10, 160)
    assert hu < -700
    assert label == LABELS["lung_lower_lobe_right"]
    upper = canvas.hu[80:95]
    assert (upper > 300).sum() > 100


def test_torso__is_wider_in_a_larger_patient():
    areas = [
        (painted(Build(scale=scale, fat_mm=fat)).hu[20] > -500).sum()
        for scale, fat in ((0.92, 8.0), (1.0, 20.0), (1.1, 32.0))
    ]
    assert areas[0] < 0.85 * areas[1] < 0.75 * areas[2]


def test_table__lies_below_the_back_and_not_in_the_patient(canvas):
    without = painted()
    changed = canvas.hu != without.hu
    assert changed.any()
    assert (without.hu[changed] == -1000).mean() > 0.95
    assert at(canvas, 0, 76, 0)[0] > -960


def test_spine__has_every_vertebra_in_its_place(canvas):
    x, y, z = np.broadcast_arrays(*canvas.grid.positions(canvas.whole))
    for name, height, _ in VERTEBRAE:
        inside = canvas.labels == LABELS[f"vertebrae_{name}"]
        assert abs(x[inside].mean()) < 3
        assert abs(z[inside].mean() - height) < 6
        assert -20 < y[inside].mean() < 25
        assert canvas.hu[inside].mean() > 150


def test_spine__puts_psoas_and_back_muscles_on_their_sides(canvas):
    x = np.broadcast_arrays(*canvas.grid.positions(canvas.whole))[0]
    for name in ("iliopsoas", "autochthon"):
        assert x[canvas.labels == LABELS[f"{name}_left"]].mean() > 20
        assert x[canvas.labels == LABELS[f"{name}_right"]].mean() < -20


def test_spine__of_a_slim_patient_stays_under_the_skin():
    slim = Build(scale=0.92, fat_mm=8.0)
    canvas = painted(slim)
    y = np.broadcast_arrays(*canvas.grid.positions(canvas.whole))[1]
    back = canvas.labels == LABELS["autochthon_left"]
    body = canvas.hu > -500
    assert y[back].max() < y[body].max()

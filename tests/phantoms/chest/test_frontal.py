"""The normal chest from the front."""

import numpy as np
import pytest

from medvlp.phantoms.chest.frame import Frame
from medvlp.phantoms.chest.frontal import Build, diaphragm_mm, draw_build, paint_frontal

FRAME = Frame(size_px=(180, 180), spacing_mm=2.0, centre_mm=(0.0, 122.0))


def density_at(chest, x_mm, y_mm, radius=2):
    row, col = round((y_mm - 122) / 2 + 89.5), round(x_mm / 2 + 89.5)
    return chest.density[row - radius : row + radius, col - radius : col + radius].mean()


@pytest.fixture(scope="module")
def chest():
    return paint_frontal(*FRAME.grid_mm(), Build())


def test_lungs__are_darker_than_heart_and_abdomen(chest):
    for sign in (-1, 1):
        assert density_at(chest, sign * 85, 110, 8) < density_at(chest, 30, 190, 8) - 0.2
        assert density_at(chest, sign * 85, 110, 8) < density_at(chest, sign * 85, 285, 4) - 0.2


def test_heart__lies_on_the_patients_left_the_right_of_the_picture(chest):
    assert density_at(chest, 58, 195) > density_at(chest, -58, 195) + 0.1
    assert chest.lungs["right"].sum() > chest.lungs["left"].sum()


def test_diaphragm__is_higher_on_the_right():
    x = np.array([-56.0, 56.0], dtype=np.float32)
    right, left = diaphragm_mm(x, Build())
    assert right + 8 < left


def test_stomach__has_gas_under_the_left_dome(chest):
    assert density_at(chest, 56, 264) < density_at(chest, -56, 264) - 0.1


def test_lungs__lie_on_their_sides(chest):
    x, _ = FRAME.grid_mm()
    assert not chest.lungs["left"][x < 0].any()
    assert not chest.lungs["right"][x > 0].any()
    assert chest.lungs["left"].max() > 0.99


def test_build__of_an_ap_view_has_a_wider_heart():
    pa, ap = (draw_build(np.random.default_rng(1), is_supine=one) for one in (False, True))
    assert ap.heart > pa.heart
    assert ap.height < pa.height

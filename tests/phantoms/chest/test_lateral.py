"""The normal chest from the side."""

import numpy as np

from medvlp.phantoms.chest.frame import Frame
from medvlp.phantoms.chest.frontal import Build
from medvlp.phantoms.chest.lateral import lateral_dome_mm, paint_lateral

FRAME = Frame(size_px=(180, 140), spacing_mm=2.0, centre_mm=(0.0, 122.0))


def test_lateral__has_a_dark_lung_between_heart_and_spine():
    x, y = FRAME.grid_mm()
    density, lung = paint_lateral(x, y, Build())
    behind = (np.abs(x - 50) < 8) & (np.abs(y - 160) < 10)
    heart = (np.abs(x + 50) < 8) & (np.abs(y - 205) < 8)
    spine = (np.abs(x - 86) < 4) & (np.abs(y - 160) < 30)
    assert density[behind].mean() < density[heart].mean() - 0.15
    assert density[behind].mean() < density[spine].mean()
    assert lung[behind].min() > 0.9
    assert not lung[(y > 250) & (x < 20)].any()


def test_dome__falls_off_to_the_back():
    y = lateral_dome_mm(np.array([-25.0, 80.0], dtype=np.float32), Build())
    assert y[0] + 30 < y[1]

"""Lesions: where they lie and what they do to a picture."""

import numpy as np
import pytest

from medvlp.phantoms.chest.frame import Frame
from medvlp.phantoms.chest.lesions import draw_lesions, draw_size_mm, paint_lesions
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

FRAME = Frame(size_px=(160, 160), spacing_mm=1.5)


def paint(name, lung=1.0, seed=0):
    rng = np.random.default_rng(seed)
    size = draw_size_mm(rng, PHANTOM_FINDINGS[name])
    lesions = draw_lesions(rng, name, "left", size, lambda *_: ((0.0, 0.0), 0.5))
    density = np.full(FRAME.size_px, 0.5, dtype=np.float32)
    mask = paint_lesions(
        density,
        lesions,
        frame=FRAME,
        grid_mm=FRAME.grid_mm(),
        lung=np.full(FRAME.size_px, lung, dtype=np.float32),
    )
    return lesions, density, mask


@pytest.mark.parametrize("name", PHANTOM_FINDINGS)
def test_lesions__are_one_or_several_and_change_the_picture_only_there(name):
    traits = PHANTOM_FINDINGS[name]
    lesions, density, mask = paint(name)
    assert (len(lesions) == 1) == (traits.count == "single")
    assert len(lesions) <= 4
    change = density - 0.5
    assert np.all(change[mask] < 0 if traits.brightness == "dark" else change[mask] > 0)
    rows, cols = np.nonzero(change)
    near = np.argwhere(mask)
    assert rows.min() >= near[:, 0].min() - 10
    assert cols.max() <= near[:, 1].max() + 10


def test_lesions__outside_the_lung_are_not_seen():
    _, density, mask = paint("hobrel", lung=0.0)
    assert not mask.any()
    assert np.all(density == 0.5)


def test_blurred_lesion__has_a_softer_edge_than_a_sharp_one():
    def softness(name):
        _, density, _ = paint(name)
        rise = np.abs(np.diff(density, axis=1))
        return rise.max() / np.ptp(density)

    assert softness("velspar") < 0.75 * softness("pelquin")

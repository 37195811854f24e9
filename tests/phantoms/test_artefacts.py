import numpy as np
import pytest

from medvlp.phantoms.artefacts import (
    Artefacts,
    Dust,
    add_fold,
    add_ink,
    draw_artefacts,
    sprinkle_dust,
)


def drawn(**counts):
    tissue = np.zeros((120, 160), dtype=bool)
    tissue[30:90, 40:120] = True
    wanted = {"pen_marks": 0, "folds": 0, "blurred_areas": 0, "dust": 0} | counts
    artefacts = draw_artefacts(
        np.random.default_rng(4), tissue, um_per_px=8.0, px0_per_px=16, **wanted
    )
    return artefacts, tissue


def test_draw_artefacts__none_wanted_none_drawn():
    artefacts, _ = drawn()

    assert not artefacts.bits().any()
    assert artefacts.dust == ()


@pytest.mark.parametrize(("kind", "bit"), [("pen_marks", 1), ("folds", 2), ("blurred_areas", 4)])
def test_draw_artefacts__each_kind_sets_its_bit(kind, bit):
    artefacts, tissue = drawn(**{kind: 2})

    assert np.unique(artefacts.bits()).tolist() == [0, bit]
    for weight in (artefacts.pen, artefacts.fold, artefacts.blur):
        assert weight.dtype == np.float32
        assert 0 <= weight.min() <= weight.max() <= 1.0001
    if kind == "folds":
        assert not artefacts.fold[~tissue].any()


def test_draw_artefacts__without_tissue_there_are_no_folds():
    nothing = np.zeros((50, 50), dtype=bool)

    artefacts = draw_artefacts(
        np.random.default_rng(0),
        nothing,
        um_per_px=8.0,
        px0_per_px=16,
        pen_marks=0,
        folds=3,
        blurred_areas=3,
        dust=0,
    )

    assert not artefacts.bits().any()


def test_draw_artefacts__dust_lies_on_the_slide():
    artefacts, _ = drawn(dust=30)

    assert len(artefacts.dust) == 30
    assert all(0 <= speck.x_px0 <= 160 * 16 for speck in artefacts.dust)
    assert all(0 <= speck.y_px0 <= 120 * 16 for speck in artefacts.dust)


def test_dust__names_the_tiles_it_touches():
    speck = Dust(x_px0=255.0, y_px0=100.0, radius_px0=5.0, light=0.5)

    assert set(speck.tiles(256)) == {(0, 0), (1, 0)}


def test_sprinkle_dust__darkens_inside_its_radius_only():
    white = np.full((3, 64, 64), 200, dtype=np.uint8)
    speck = Dust(x_px0=120.0, y_px0=140.0, radius_px0=6.0, light=0.5)

    rgb = sprinkle_dust(white, [speck], (100, 100))

    assert rgb[:, 40, 20].tolist() == [100, 100, 100]
    assert rgb[:, 40, 30].tolist() == [200, 200, 200]
    assert rgb[:, 0, 0].tolist() == [200, 200, 200]


def test_add_fold__multiplies_light():
    rgb = np.full((3, 4, 4), 100, dtype=np.uint8)
    second = np.full((3, 4, 4), 98, dtype=np.uint8)
    weight = np.ones((4, 4), dtype=np.float32)
    weight[0] = 0

    folded = add_fold(rgb, second, weight)

    assert (folded[:, 0] == 100).all()
    assert np.abs(folded[:, 1:] - 100 * 98 / 245).max() <= 1


def test_add_ink__lets_its_colour_through():
    rgb = np.full((3, 2, 2), 200, dtype=np.uint8)

    inked = add_ink(rgb, (0.5, 0.25, 1.0), np.array([[1, 0], [0.5, 0]], dtype=np.float32))

    assert inked[:, 0, 0].tolist() == [100, 50, 200]
    assert inked[:, 0, 1].tolist() == [200, 200, 200]
    assert inked[:, 1, 0].tolist() == [150, 125, 200]


def test_artefacts__bits_add_up():
    one = np.ones((1, 1), dtype=np.float32)

    assert Artefacts(one, (0, 0, 0), one, one, ()).bits().tolist() == [[7]]

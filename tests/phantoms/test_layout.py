import numpy as np
import pytest

from medvlp.phantoms.classes import find_class
from medvlp.phantoms.layout import draw_layout

CODE = {key: find_class(key).code for key in ("glass", "papillary", "normal", "stroma", "fat")}


def layout(seed, diagnosis="papillary", share=0.5, n_pieces=2, shape=(200, 260)):
    return draw_layout(
        np.random.default_rng(seed),
        shape,
        8.0,
        diagnosis=diagnosis,
        tumor_share=share,
        n_pieces=n_pieces,
    )


@pytest.mark.parametrize("share", [0.15, 0.6])
def test_draw_layout__tumor_takes_its_share_of_the_solid_tissue(share):
    for seed in range(3):
        labels = layout(seed, share=share).labels
        solid = (labels != CODE["glass"]) & (labels != CODE["fat"])
        tumor = labels == CODE["papillary"]
        # the septa inside the tumour are stroma, so the tumour itself falls somewhat short
        assert 0.7 * share < tumor.sum() / solid.sum() <= share + 0.01


def test_draw_layout__holds_all_tissues_and_leaves_the_edge_free():
    labels = layout(1).labels

    assert set(np.unique(labels)) == set(CODE.values())
    assert not labels[:3].any()
    assert not labels[:, -3:].any()
    assert 0.2 < (labels > 0).mean() < 0.8


def test_draw_layout__normal_has_no_tumor():
    labels = layout(1, diagnosis="normal").labels

    assert set(np.unique(labels)) <= {CODE[key] for key in ("glass", "normal", "stroma", "fat")}


def test_draw_layout__no_share_no_tumor():
    assert not (layout(1, share=0.0).labels == CODE["papillary"]).any()


def test_draw_layout__is_seeded():
    np.testing.assert_array_equal(layout(5).labels, layout(5).labels)
    assert (layout(5).labels != layout(6).labels).any()


def test_draw_layout__lobules_are_numbered_and_of_their_size():
    drawn = layout(2)

    assert drawn.lobules.min() >= 0
    assert drawn.lobules.max() < drawn.n_lobules
    areas = np.bincount(drawn.lobules.ravel())
    median_um = np.sqrt(np.median(areas[areas > 0])) * drawn.um_per_px
    assert 300 < median_um < 800
    assert abs(drawn.thickness - 1).max() <= 0.1 + 1e-6


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (32, 32)])
@pytest.mark.parametrize("n_pieces", [1, 4])
def test_draw_layout__works_on_odd_shapes(shape, n_pieces):
    labels = layout(0, shape=shape, n_pieces=n_pieces).labels

    assert labels.shape == shape
    assert (labels > 0).any()

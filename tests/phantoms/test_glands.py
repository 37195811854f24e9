import numpy as np
import pytest
from scipy import ndimage

from medvlp.phantoms.glands import draw_glandular, draw_normal, draw_papillary

ALL = [draw_papillary, draw_glandular, draw_normal]


def lumen_shares(field):
    """Share of the area of each connected part without stain, largest first."""
    empty = (field.hematoxylin + field.eosin) < 0.1
    labels, _ = ndimage.label(ndimage.binary_opening(empty, iterations=2))
    sizes = np.bincount(labels.ravel())[1:]
    return np.sort(sizes)[::-1] / labels.size


@pytest.mark.parametrize("draw", ALL)
def test_draw__is_seeded_positive_and_wraps_around(draw):
    field = draw(np.random.default_rng(1), 256, 0.5, 1.0)
    again = draw(np.random.default_rng(1), 256, 0.5, 1.0)

    np.testing.assert_array_equal(field.hematoxylin, again.hematoxylin)
    for stain in (field.hematoxylin, field.eosin):
        assert stain.dtype == np.float32
        assert stain.min() >= 0
        inner = np.abs(np.diff(stain, axis=0)).mean()
        assert np.abs(stain[0] - stain[-1]).mean() < 2.5 * inner


@pytest.mark.parametrize("draw", ALL)
def test_draw__keeps_its_stains_at_another_scale(draw):
    coarse = draw(np.random.default_rng(1), 256, 1.0, 1.0)
    fine = draw(np.random.default_rng(1), 512, 0.5, 1.0)

    assert coarse.eosin.mean() == pytest.approx(fine.eosin.mean(), rel=0.25)
    assert coarse.hematoxylin.mean() == pytest.approx(fine.hematoxylin.mean(), rel=0.3)


def test_draw__lumens_differ_in_number_and_size():
    papillary, glandular, normal = (
        lumen_shares(draw(np.random.default_rng(3), 1024, 0.5, 1.0)) for draw in ALL
    )

    assert papillary.sum() > 0.2  # wide connected spaces
    assert papillary[0] > 2.5 * glandular[0]
    assert normal.sum() < 0.15  # many small lumens of like size
    assert np.count_nonzero(normal > 2e-4) > 2 * np.count_nonzero(glandular > 2e-4)
    assert np.median(glandular[glandular > 2e-4]) > 1.5 * np.median(normal[normal > 2e-4])


def test_draw_glandular__nuclei_lie_around_lumens_and_not_in_them():
    field = draw_glandular(np.random.default_rng(3), 512, 0.5, 1.0)
    lumen = ndimage.binary_opening((field.hematoxylin + field.eosin) < 0.1, iterations=4)
    near = ndimage.binary_dilation(lumen, iterations=56) & ~lumen  # 28 micrometres
    far = ~near & ~lumen

    dark = field.hematoxylin > 0.7
    assert dark[lumen].mean() < 0.01
    assert dark[near].mean() > 1.25 * dark[far].mean()

"""X-rays and their truth."""

import hashlib

import numpy as np
import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.chest.picture import paint_chest
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS


def test_picture__has_twelve_bits_and_labels_for_all(phantom):
    assert phantom.pixels.shape == (256, 224)
    assert phantom.pixels.dtype == np.uint16
    assert phantom.pixels.max() < 4096
    assert [name for name, there in phantom.labels.items() if there] == ["pelquin", "hobrel"]
    assert tuple(phantom.labels) == tuple(PHANTOM_FINDINGS)
    assert phantom.spacing_mm[0] == phantom.spacing_mm[1] > 1


def test_picture__is_the_same_bytes_for_the_same_seed():
    def digest(seed):
        one = paint_chest(seed)
        return hashlib.sha256(one.pixels.tobytes() + one.report.encode()).hexdigest()

    assert digest(3) == digest(3) != digest(4)


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("name", PHANTOM_FINDINGS)
def test_left_finding__lies_in_the_right_half_of_the_picture(name, view):
    for seed in range(2):
        left = paint_chest(seed, {name: "left"}, (128, 112), view).boxes
        right = paint_chest(seed, {name: "right"}, (128, 112), view).boxes
        assert [box.side for box in left] == ["left"]
        assert [box.side for box in right] == ["right"]
        assert np.mean(left[0].cols) > 56 > np.mean(right[0].cols)


def test_finding_on_both_sides__has_a_box_for_each():
    boxes = paint_chest(5, {"zandor": "both"}).boxes
    assert [box.side for box in boxes] == ["left", "right"]
    assert boxes[0].cols[0] > boxes[1].cols[1]


@pytest.mark.parametrize("name", PHANTOM_FINDINGS)
def test_zone__is_where_the_box_lies(name):
    rows = {"upper": (40, 110), "middle": (85, 150), "hilar": (80, 150)}
    rows |= {"lower": (125, 205), "basal": (140, 225)}
    low, high = rows[PHANTOM_FINDINGS[name].zone]
    for seed in range(3):
        (box,) = paint_chest(seed, {name: "right"}).boxes
        assert low < np.mean(box.rows) < high


@pytest.mark.parametrize("name", PHANTOM_FINDINGS)
def test_lesion__is_as_bright_as_its_finding_says(name):
    """Compare with the same patient without it; nothing changes outside of it."""
    contrast = []
    for seed in range(4):
        phantom = paint_chest(seed, {name: ("left", "right")[seed % 2]})
        change = phantom.pixels.astype(float) - paint_chest(seed, {}).pixels
        (box,) = phantom.boxes
        assert box.mask.sum() * phantom.spacing_mm[0] ** 2 > 200
        contrast.append(change[box.mask].mean() / 4095)
        outside = change.copy()
        margin = 14
        outside[
            max(box.rows[0] - margin, 0) : box.rows[1] + margin,
            max(box.cols[0] - margin, 0) : box.cols[1] + margin,
        ] = 0
        assert np.abs(outside).max() == 0
    mean = np.mean(contrast)
    low, high = {"bright": (0.13, 0.5), "faint": (0.05, 0.17), "dark": (-0.4, -0.06)}[
        PHANTOM_FINDINGS[name].brightness
    ]
    assert low < mean < high


def test_box__encloses_its_mask(phantom):
    for box in phantom.boxes:
        rows, cols = np.nonzero(box.mask)
        assert (rows.min(), rows.max() + 1) == box.rows
        assert (cols.min(), cols.max() + 1) == box.cols
        assert box.mask.shape == phantom.pixels.shape


def test_lateral_view__has_boxes_without_side():
    phantom = paint_chest(9, {"hobrel": "left", "fesgit": "both"}, view="LATERAL")
    assert {box.side for box in phantom.boxes} == {""}
    assert "left" in phantom.report


def test_picture__of_another_size_has_that_size():
    assert paint_chest(2, size_px=(128, 160)).pixels.shape == (128, 160)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"findings": {"dravick": "left"}}, "MV1905"),
        ({"findings": {"dravik": "up"}}, "MV1906"),
        ({"view": "LL"}, "MV1906"),
        ({"size_px": (40, 200)}, "MV1907"),
        ({"size_px": (400, 120)}, "MV1907"),
    ],
)
def test_picture__that_cannot_be_made_is_refused(arguments, code):
    with pytest.raises(PhantomError, match=code):
        paint_chest(1, **arguments)

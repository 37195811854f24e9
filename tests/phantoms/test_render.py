import numpy as np
import pytest

from medvlp.phantoms import render
from medvlp.phantoms.artefacts import Artefacts, Dust
from medvlp.phantoms.layout import Layout
from medvlp.phantoms.render import REACH_PX, TILE_PX, SlidePainter
from medvlp.phantoms.textures import TextureBank

STEP = 16
COLOURS = {0: (240, 240, 240), 5: (200, 100, 150), 6: (120, 60, 180)}


def flat_bank():
    return TextureBank(
        {code: np.full((64, 64, 3), colour, np.uint8) for code, colour in COLOURS.items()},
        REACH_PX,
    )


def nothing(shape):
    return np.zeros(shape, dtype=np.float32)


def make_painter(labels, *, bank=None, thickness=None, step=STEP, **wrong):
    shape = labels.shape
    layout = Layout(
        labels,
        np.zeros(shape, dtype=np.int32),
        1,
        np.ones(shape, np.float32) if thickness is None else thickness,
        8.0,
    )
    parts = {"pen": nothing(shape), "fold": nothing(shape), "blur": nothing(shape), "dust": ()}
    parts |= wrong
    artefacts = Artefacts(
        parts["pen"], (0.5, 0.0, 0.0), parts["fold"], parts["blur"], parts["dust"]
    )
    return SlidePainter(
        layout,
        artefacts,
        bank or flat_bank(),
        px0_per_px=step,
        mpp=0.5,
        rng=np.random.default_rng(0),
    )


@pytest.fixture
def halves():
    """Glass on the left, one tissue on the right, another below it; 4 x 4 tiles."""
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[:, 24:] = 5
    labels[40:, 24:] = 6
    return labels


def paint_all(painter, n=4):
    return np.vstack(
        [np.hstack([painter.paint(x * TILE_PX, y * TILE_PX) for x in range(n)]) for y in range(n)]
    )


def test_painter__paints_the_class_of_the_map(halves):
    image = paint_all(make_painter(halves)).astype(int)

    centres = image[STEP // 2 :: STEP, STEP // 2 :: STEP]
    for code, colour in COLOURS.items():
        # away from borders, the colour is that of the class, dimmed by less than 7 grey levels
        inside = halves == code
        for shift in (-2, 2):
            for axis in (0, 1):
                inside &= np.roll(halves, shift, axis) == code
        gap = np.array(colour) - centres[inside]
        assert gap.min() >= 0
        assert gap.max() <= 7


def test_painter__borders_lie_on_the_map_and_are_soft_but_narrow(halves):
    image = paint_all(make_painter(halves))

    red = image[: 30 * STEP, :, 1].astype(int)
    crossing = (red < 170).argmax(axis=1)  # first pixel that is tissue
    assert abs(crossing.mean() - 24 * STEP) < 6
    assert 0.5 < crossing.std() < 12
    mixed = ((red > 110) & (red < 225)).sum(axis=1)
    assert mixed.mean() < 12


def test_painter__tiles_join_without_seams():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.choice([0, 5, 6], (8, 8)), 8, 0), 8, 1).astype(np.uint8)
    labels = np.roll(labels, (3, 3), (0, 1))  # no border of tissues on a border of tiles
    thickness = np.linspace(0.9, 1.1, 64 * 64, dtype=np.float32).reshape(64, 64)
    image = paint_all(make_painter(labels, thickness=thickness)).astype(int)

    def jump(at):
        return np.abs(image[:, at] - image[:, at - 1]).mean()

    usual = np.mean([jump(at) for at in range(1, 1024) if at % 256])
    assert all(jump(at) < 2 * usual + 1 for at in (256, 512, 768))


def test_painter__splitting_a_tile_changes_no_pixel(halves, monkeypatch):
    whole_painter = make_painter(halves)
    monkeypatch.setattr(render, "_BLEND_PX", 1000)
    whole = paint_all(whole_painter)
    monkeypatch.setattr(render, "_BLEND_PX", 40)
    parts = paint_all(whole_painter)

    np.testing.assert_array_equal(whole, parts)


def test_painter__blank_tiles_are_known_and_equal_what_paint_gives(halves):
    painter = make_painter(halves)

    key = painter.blank_key(0, 0)
    assert key is not None
    np.testing.assert_array_equal(painter.paint_blank(key), painter.paint(0, 0))
    assert painter.blank_key(256, 0) is None  # the border runs through
    assert painter.blank_key(512, 0) is None


@pytest.mark.parametrize("what", ["pen", "dust"])
def test_painter__a_tile_with_ink_or_dust_is_not_blank(halves, what):
    pen = nothing(halves.shape)
    pen[4, 4] = 1
    wrong = {"pen": pen} if what == "pen" else {"dust": (Dust(50.0, 60.0, 5.0, 0.3),)}

    painter = make_painter(halves, **wrong)

    assert painter.blank_key(0, 0) is None
    assert painter.blank_key(0, 512) is not None
    assert painter.paint(0, 0).min() < 180


def test_painter__folds_darken_and_ink_colours(halves):
    everywhere = np.ones(halves.shape, dtype=np.float32)
    plain = make_painter(halves).paint(768, 0).astype(int)

    folded = make_painter(halves, fold=everywhere).paint(768, 0)
    inked = make_painter(halves, pen=everywhere).paint(768, 0)

    assert (folded < plain).all()
    assert (inked[..., 1] < 0.5 * plain[..., 1]).all()
    assert (inked[..., 0] > 0.4 * plain[..., 0]).all()


def test_painter__blur_removes_detail_where_it_is(halves):
    rough = np.random.default_rng(0).integers(60, 200, (256, 256, 3)).astype(np.uint8)
    bank = TextureBank(dict.fromkeys(COLOURS, rough), REACH_PX)
    blur = nothing(halves.shape)
    blur[:, 40:] = 1

    painter = make_painter(halves, bank=bank, blur=blur)

    assert painter.paint(768, 0).std() < 0.4 * painter.paint(256, 0).std()


def test_painter__thicker_tissue_is_darker_and_glass_is_not(halves):
    thick = np.full(halves.shape, 1.1, dtype=np.float32)
    plain, darker = make_painter(halves), make_painter(halves, thickness=thick)

    tissue = plain.paint(768, 0).astype(float), darker.paint(768, 0).astype(float)
    expected = 232 * (100 / 232) ** 1.1  # Lambert and Beer for the green of class 5
    assert tissue[0][..., 1].mean() - tissue[1][..., 1].mean() == pytest.approx(
        100 - expected, abs=1.0
    )
    np.testing.assert_array_equal(plain.paint(0, 0), darker.paint(0, 0))


@pytest.mark.parametrize("step", [2, 8, 32, 128])
def test_painter__works_at_every_scale_of_the_map(step):
    labels = np.zeros((1024 // step, 1024 // step), dtype=np.uint8)
    labels[:, labels.shape[1] // 2 :] = 5

    image = paint_all(make_painter(labels, step=step))

    assert image[:, :300].min() > 225
    assert image[:, -300:, 1].max() <= 100

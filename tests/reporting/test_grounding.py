"""Grounding pictures: the radiograph untouched beside its map, the peak and outline in place."""

import numpy as np
import pytest

from medvlp.reporting.grounding import OUTLINED_SHARE, draw_grounding

PEAK = np.array((255, 80, 60))


def spot(row: int, col: int, shape: tuple[int, int] = (64, 48), sigma: float = 4.0) -> np.ndarray:
    rows, cols = np.indices(shape)
    return np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * sigma**2))


def test_draw_grounding__shows_the_radiograph_as_it_is_beside_the_map() -> None:
    picture = np.full((64, 48), 0.4)
    drawn = draw_grounding(picture, spot(16, 12), title="effusion", height_px=320)
    assert drawn.dtype == np.uint8
    assert (drawn[:320, :240] == 102).all()
    assert (drawn[:320, 240:248] == 255).all()


def test_draw_grounding__marks_the_peak_where_it_is() -> None:
    drawn = draw_grounding(np.zeros((64, 48)), spot(16, 36), title="x", height_px=320)
    rows, cols = np.nonzero((drawn[:320, 248:488] == PEAK).all(axis=-1))
    assert rows.mean() == pytest.approx(16 * 5 + 2, abs=3)
    assert cols.mean() == pytest.approx(36 * 5 + 2, abs=3)


def test_draw_grounding__outlines_half_of_the_attention() -> None:
    sigma = 6.0
    drawn = draw_grounding(np.zeros((96, 96)), spot(48, 48, (96, 96), sigma), title="x")
    shown = drawn[:512, 520:1032].astype(int)
    rows, cols = np.nonzero((shown == (60, 190, 255)).all(axis=-1))
    radius = np.hypot(rows - rows.mean(), cols - cols.mean()).mean() * 96 / 512
    # A Gaussian holds 1 - exp(-r^2 / 2 sigma^2) of its mass within r.
    assert radius == pytest.approx(sigma * np.sqrt(-2 * np.log(1 - OUTLINED_SHARE)), rel=0.05)


def test_draw_grounding__claims_nothing_where_there_is_no_attention() -> None:
    drawn = draw_grounding(np.zeros((64, 48)), np.zeros((64, 48)), title="x", height_px=320)
    assert not (drawn == PEAK).all(axis=-1).any()


@pytest.mark.parametrize(
    ("picture", "attention", "phrase"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5)), "must be"),
        (np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), "must be"),
        (np.zeros((4, 4)), np.full((4, 4), np.nan), "finite"),
        (np.zeros((4, 4)), np.full((4, 4), -1.0), "at least 0"),
    ],
)
def test_draw_grounding__refuses_what_does_not_fit(picture, attention, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        draw_grounding(picture, attention, title="x")

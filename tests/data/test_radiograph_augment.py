"""Pictures change within their limits, places go where what they show goes."""

from dataclasses import replace

import numpy as np
import pytest

from medvlp.config.strict import parse_model
from medvlp.data.radiograph_augment import (
    RadiographAugmentSettings,
    RadiographChange,
    change_picture,
    change_places,
    draw_change,
    turn_places,
)
from medvlp.data.radiograph_manifest import FindingPlace
from medvlp.errors import ConfigError

SIZE = 64
STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
STILL_SETTINGS = {
    "rotate_deg": 0.0,
    "translate": 0.0,
    "scale": 0.0,
    "crop": 1.0,
    "intensity_scale": 0.0,
    "intensity_shift": 0.0,
    "gamma_probability": 0.0,
    "noise": 0.0,
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def blob(row: float, col: float) -> np.ndarray:
    rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / 8.0).astype(np.float32)


def centre(image: np.ndarray) -> tuple[float, float]:
    rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
    return float((rows * image).sum() / image.sum()), float((cols * image).sum() / image.sum())


def place(row: float, col: float) -> FindingPlace:
    box = (row - 3, row + 3, col - 3, col + 3)
    return FindingPlace(finding="left spot", side="left", box=box)


def test_change_picture__leaves_a_picture_that_is_not_to_be_changed() -> None:
    image = rng().uniform(0, 1, (SIZE, SIZE)).astype(np.float32)
    change = draw_change(RadiographAugmentSettings(**STILL_SETTINGS), rng(1), may_turn=True)
    np.testing.assert_allclose(change_picture(image, change), image, rtol=0, atol=1e-6)


def test_change_picture__turns_over_exactly() -> None:
    image = rng().uniform(0, 1, (SIZE, SIZE)).astype(np.float32)
    change = RadiographChange(matrix=STILL, turned=True)
    np.testing.assert_allclose(change_picture(image, change), image[:, ::-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["rotate_deg", "translate", "scale", "crop"])
def test_change_places__follow_the_picture(name: str) -> None:
    strong = {"rotate_deg": 30.0, "translate": 0.2, "scale": 0.4, "crop": 0.6}[name]
    settings = RadiographAugmentSettings(
        **STILL_SETTINGS | {name: strong, "flip": "swap-sides", "flip_probability": 0.5}
    )
    moved = []
    for seed in range(30):
        change = draw_change(settings, rng(seed), may_turn=True)
        image = change_picture(blob(26.0, 36.0), change)
        (found,) = change_places([place(26.0, 36.0)], change, SIZE)
        middle = ((found.box[0] + found.box[1]) / 2, (found.box[2] + found.box[3]) / 2)
        np.testing.assert_allclose(middle, centre(image), rtol=0, atol=0.35)
        assert (found.side == "right") == (found.finding == "right spot") == change.turned
        moved.append(middle)
    assert np.ptp(np.array(moved), axis=0).max() > 3


def test_change_places__cut_boxes_and_leave_out_those_that_went() -> None:
    shift = RadiographChange(matrix=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]]))
    far, near, gone = place(30, 50), place(30, 32), place(30, 10)
    found = change_places([far, near, gone], shift, SIZE)
    assert [p.box for p in found] == [(27.0, 33.0, 15.0, 21.0), (27.0, 33.0, 0.0, 3.0)]
    assert change_places([], shift, SIZE) == ()


def test_turn_places__twice_gives_them_back() -> None:
    both = replace(place(9, 20), side="both", finding="spot")
    once = turn_places([place(10, 12), both], SIZE)
    assert once[0] == FindingPlace(finding="right spot", side="right", box=(7, 13, 49, 55))
    assert once[1].side == "both"
    assert turn_places(once, SIZE) == (place(10, 12), both)


def test_change_picture__changes_brightness_as_stated() -> None:
    image = np.full((SIZE, SIZE), 0.5, np.float32)
    change = RadiographChange(matrix=STILL, gain=1.2, shift=0.04, gamma=2.0)
    np.testing.assert_allclose(change_picture(image, change), 0.64**2, rtol=0, atol=1e-6)
    noisy = change_picture(image, RadiographChange(matrix=STILL, noise=0.1, noise_seed=3))
    assert 0.09 < noisy.std() < 0.11
    bright = change_picture(image, RadiographChange(matrix=STILL, gain=9.0))
    assert bright.max() == 1.0


def test_draw_change__stays_within_the_settings() -> None:
    settings = RadiographAugmentSettings(gamma_probability=0.5)
    changes = [draw_change(settings, rng(seed), may_turn=True) for seed in range(300)]
    assert not any(change.turned for change in changes)
    gammas = np.array([change.gamma for change in changes])
    assert 0.7 <= gammas.min() < 0.75
    assert 1.33 < gammas.max() <= 1.4
    assert 0.4 < np.mean(gammas == 1.0) < 0.6
    sizes = [np.sqrt(np.linalg.det(change.matrix[:, :2])) for change in changes]
    assert 0.85 / 1.1 - 1e-9 <= min(sizes) < 0.82
    assert 1.0 < max(sizes) <= 1 / 0.9
    assert 0 <= min(c.noise for c in changes) < max(c.noise for c in changes) <= 0.02


def test_draw_change__turns_over_only_where_it_may_and_was_asked_to() -> None:
    swap = RadiographAugmentSettings(flip="swap-sides", flip_probability=0.3)
    turned = [draw_change(swap, rng(seed), may_turn=True).turned for seed in range(300)]
    assert 0.2 < np.mean(turned) < 0.4
    assert not any(draw_change(swap, rng(seed)).turned for seed in range(50))


def test_draw_change__takes_as_much_chance_whatever_the_settings() -> None:
    one, other = rng(4), rng(4)
    draw_change(RadiographAugmentSettings(), one)
    draw_change(
        RadiographAugmentSettings(**STILL_SETTINGS, flip="swap-sides"), other, may_turn=True
    )
    assert one.uniform() == other.uniform()


@pytest.mark.parametrize(
    "settings", [{"gamma": (2.0, 1.0)}, {"crop": 0.1}, {"flip": "always"}, {"translate": 0.9}]
)
def test_settings__refuse_what_has_no_meaning(settings: dict) -> None:
    with pytest.raises(ConfigError, match="MV1002"):
        parse_model(settings, RadiographAugmentSettings, source="s")

"""Crops are moved, turned and brightened within bounds, and never mirrored."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medvlp.data.scan_augment import ScanAugmentSettings, augment_crop, centre_crop
from tests.data.scan_samples import make_info

STILL = ScanAugmentSettings(
    random_crop=False,
    translate=0,
    scale=0,
    rotate_deg=0,
    intensity_scale=0,
    intensity_shift=0,
    gamma_probability=0,
)
SPACING = np.array((4.0, 2.0, 1.0))
INFO = make_info(spacing_mm=tuple(SPACING), shape_zyx=(12, 20, 24), stored_shape_zyx=(20, 40, 48))


def changed(stored: np.ndarray, settings: ScanAugmentSettings, seed: int) -> np.ndarray:
    return augment_crop(stored, settings, INFO, np.random.default_rng(seed))


def sampled_places(settings: ScanAugmentSettings, seed: int) -> np.ndarray:
    """Return where each voxel was sampled, in voxels of the stored crop: ramps tell."""
    ramps = np.stack(np.meshgrid(*(np.arange(n) for n in INFO.stored_shape_zyx), indexing="ij"))
    places = [changed((100 * ramp).astype(np.int16), settings, seed) / 100 for ramp in ramps]
    return np.stack(places, axis=-1)


def fitted_affine(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (mm to mm) and shift (voxels) that voxels inside the stored crop obey."""
    grid = np.stack(
        np.meshgrid(*(np.arange(n) for n in INFO.shape_zyx), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    flat = places.reshape(-1, 3)
    inside = (flat > -1).all(axis=1)
    middle = (np.array(INFO.shape_zyx) - 1) / 2
    wanted = np.c_[(grid - middle) * SPACING, np.ones(len(grid))][inside]
    solution, *_ = np.linalg.lstsq(wanted, flat[inside] * SPACING, rcond=None)
    assert np.abs(wanted @ solution - flat[inside] * SPACING).max() < 0.05
    return solution[:3].T, solution[3] / SPACING


def test_augment_crop__without_changes_is_the_middle() -> None:
    stored = np.random.default_rng(0).integers(-1000, 1000, INFO.stored_shape_zyx, dtype=np.int16)
    expected = stored[4:16, 10:30, 12:36]
    np.testing.assert_array_equal(changed(stored, STILL, 1), expected)
    np.testing.assert_array_equal(centre_crop(stored, INFO), expected)
    assert centre_crop(stored, INFO).dtype == np.float32


def test_augment_crop__takes_every_place_of_the_margin() -> None:
    settings = STILL.model_copy(update={"random_crop": True})
    starts = np.array([sampled_places(settings, seed)[0, 0, 0] for seed in range(400)])
    assert starts.min(axis=0).tolist() == [0, 0, 0]
    assert starts.max(axis=0).tolist() == [8, 20, 24]


@pytest.mark.parametrize("seed", range(12))
def test_augment_crop__is_a_small_turn_stretch_and_shift_and_no_mirror(seed: int) -> None:
    settings = ScanAugmentSettings(
        random_crop=False, intensity_scale=0, intensity_shift=0, gamma_probability=0
    )
    matrix, shift = fitted_affine(sampled_places(settings, seed))
    assert np.linalg.det(matrix) > 0
    sizes = np.linalg.norm(matrix, axis=0)
    np.testing.assert_allclose(sizes[0], 1.0, atol=1e-3)
    assert ((1 / sizes[1:] >= 0.9 - 1e-3) & (1 / sizes[1:] <= 1.1 + 1e-3)).all()
    turn = matrix / sizes
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=2e-3)
    # Coordinates are (z, y, x): a turn about the first axis has the first angle.
    angles = Rotation.from_matrix(turn).as_euler("xyz", degrees=True)
    assert np.abs(angles).max() <= 10.1
    assert np.abs(angles).max() > 0.5
    off = shift - (np.array(INFO.stored_shape_zyx) - 1) / 2
    assert abs(off[0]) < 1e-2
    assert (np.abs(off[1:]) <= 0.078 * np.array(INFO.shape_zyx[1:]) + 1e-2).all()


def test_augment_crop__fills_with_air_beyond_what_is_stored() -> None:
    stored = np.full(INFO.stored_shape_zyx, 50, np.int16)
    info = INFO.model_copy(update={"shape_zyx": INFO.stored_shape_zyx})
    settings = STILL.model_copy(update={"translate": 0.5})
    moved = augment_crop(stored, settings, info, np.random.default_rng(3))
    assert set(np.unique(moved)) == {-1000.0, 50.0}


def in_window(hu: np.ndarray) -> np.ndarray:
    return (hu + 200) / 500


@pytest.mark.parametrize("seed", range(8))
def test_augment_crop__scales_shifts_and_bends_brightness_within_bounds(seed: int) -> None:
    stored = np.random.default_rng(0).integers(-100, 200, INFO.stored_shape_zyx, dtype=np.int16)
    before = in_window(centre_crop(stored, INFO))
    scaled = in_window(changed(stored, STILL.model_copy(update={"intensity_scale": 0.1}), seed))
    factor = scaled / before
    assert np.ptp(factor) < 1e-4
    assert 0.9 <= factor.mean() <= 1.1
    shifted = in_window(changed(stored, STILL.model_copy(update={"intensity_shift": 0.1}), seed))
    assert np.ptp(shifted - before) < 1e-5
    assert abs((shifted - before).mean()) <= 0.1
    bent = in_window(changed(stored, STILL.model_copy(update={"gamma_probability": 1.0}), seed))
    exponent = np.log(bent) / np.log(before)
    assert np.ptp(exponent) < 1e-2
    assert 0.5 <= exponent.mean() <= 2.0


def test_augment_crop__bends_contrast_as_often_as_asked() -> None:
    stored = np.full(INFO.stored_shape_zyx, 50, np.int16)
    settings = STILL.model_copy(update={"gamma_probability": 0.5})
    share = np.mean([changed(stored, settings, seed)[0, 0, 0] != 50 for seed in range(400)])
    assert 0.42 < share < 0.58


def test_augment_crop__depends_on_the_seed_alone() -> None:
    stored = np.random.default_rng(0).integers(-100, 200, INFO.stored_shape_zyx, dtype=np.int16)
    kept = stored.copy()
    one, again = (changed(stored, ScanAugmentSettings(), 5) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(stored, kept)
    assert not np.array_equal(one, changed(stored, ScanAugmentSettings(), 6))

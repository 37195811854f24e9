import numpy as np
import pytest
from numpy.typing import NDArray

from medvlp.volumes.kidney_contour import fit_contour, fit_ellipsoid

RADII = np.asarray((25.0, 28.0, 54.0))
NOTHING = np.zeros((0, 3))


def on_an_ellipsoid(count: int = 1500, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    unit = rng.standard_normal((count, 3))
    return unit / np.linalg.norm(unit, axis=1, keepdims=True) * RADII + (60.0, -10.0, 900.0)


def test_fit_ellipsoid__finds_the_one_that_points_lie_on() -> None:
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    points = on_an_ellipsoid() @ turn
    found = fit_ellipsoid(points)
    assert found is not None
    np.testing.assert_allclose(found.centre_mm, np.asarray((60, -10, 900)) @ turn, atol=1e-6)
    radii = 1 / np.sqrt(np.linalg.eigvalsh(found.form))
    np.testing.assert_allclose(np.sort(radii), RADII, rtol=1e-6)
    np.testing.assert_allclose(found.squared_radius(points), 1, rtol=0, atol=1e-6)
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * RADII.prod() / 1000)


def test_fit_ellipsoid__refuses_points_that_are_on_none() -> None:
    assert fit_ellipsoid(on_an_ellipsoid(12)) is None
    x, y = np.random.default_rng(2).uniform(-9, 9, (2, 400))
    assert fit_ellipsoid(np.stack([x, y, x * y], axis=1)) is None
    cube = np.random.default_rng(3).uniform(-20, 20, (3000, 3))
    assert fit_ellipsoid(cube) is None


def test_contour__gives_back_the_pole_that_a_tumour_took() -> None:
    whole = on_an_ellipsoid()
    centre = np.asarray((60.0, -10.0, 900.0))
    taken = whole[:, 2] > 930
    rim = whole[np.abs(whole[:, 2] - 930) < 4]
    contour = fit_contour(whole[~taken], rim)
    assert contour.ellipsoid is not None
    pole = centre + np.asarray([[0, 0, 50.0], [0, 0, 58.0], [30.0, 0, 0], [0, 0, 0]])
    assert contour.is_outside(pole).tolist() == [False, True, True, False]


def test_contour__closes_the_sinus() -> None:
    shell = on_an_ellipsoid()
    open_shell = shell[shell[:, 0] > 50]
    contour = fit_contour(open_shell, NOTHING)
    assert not contour.is_outside(np.asarray([[51.0, -10.0, 900.0]]))[0]


def test_contour__is_the_hull_where_lesions_are_everywhere() -> None:
    shell = on_an_ellipsoid()
    contour = fit_contour(shell, shell)
    assert contour.ellipsoid is None
    at = np.asarray([[60.0, -10.0, 900.0], [60.0, -10.0, 960.0]])
    assert contour.is_outside(at).tolist() == [False, True]
    assert contour.is_outside(NOTHING).tolist() == []

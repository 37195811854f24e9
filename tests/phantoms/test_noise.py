import numpy as np
import pytest

from medvlp.phantoms.noise import (
    jittered_points,
    map_noise,
    periodic_noise,
    sample_field,
    thin_points,
    wrap_points,
)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_periodic_noise__has_zero_mean_unit_deviation_and_no_seam(rng):
    field = periodic_noise(rng, (96, 128), 20)

    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-4
    assert field.std() == pytest.approx(1, abs=1e-4)
    inner = np.abs(np.diff(field, axis=1)).mean()
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert seam == pytest.approx(inner, rel=0.35)


def test_periodic_noise__has_its_dominant_wavelength(rng):
    field = periodic_noise(rng, (256, 256), 32.0, bandwidth=0.2)

    power = np.abs(np.fft.fft2(field)) ** 2
    freq = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    mean_frequency = (power * freq).sum() / power.sum()
    assert 1 / mean_frequency == pytest.approx(32, rel=0.1)


def test_periodic_noise__stretches_along_x(rng):
    field = periodic_noise(rng, (256, 256), 12.0, stretch=(4.0, 1.0))

    along_x = np.abs(np.diff(field, axis=1)).mean()
    along_y = np.abs(np.diff(field, axis=0)).mean()
    assert along_y > 2.5 * along_x


def test_map_noise__fills_maps_smaller_than_its_wavelength(rng):
    field = map_noise(rng, (20, 33), 300.0)

    assert field.shape == (20, 33)
    assert np.isfinite(field).all()


def test_jittered_points__are_about_a_spacing_apart_and_inside(rng):
    points = jittered_points(rng, 200, 20.0, 0.2)

    assert points.min() >= 0
    assert points.max() < 200
    expected = (200 / 20) * (200 / (20 * np.sqrt(3) / 2))
    assert len(points) == pytest.approx(expected, rel=0.15)


def test_wrap_points__repeats_points_near_edges_beyond_the_opposite_edge():
    points = np.array([[1.0, 50.0], [50.0, 50.0], [99.0, 99.0]], dtype=np.float32)

    copies, index = wrap_points(points, 100, 5.0)

    actual = {(i, *xy) for i, xy in zip(index.tolist(), copies.tolist(), strict=True)}
    assert actual == {
        (0, 1.0, 50.0),
        (0, 101.0, 50.0),
        (1, 50.0, 50.0),
        (2, 99.0, 99.0),
        (2, -1.0, 99.0),
        (2, 99.0, -1.0),
        (2, -1.0, -1.0),
    }
    assert index.tolist() == sorted(index.tolist())


def test_sample_field__wraps_around():
    field = np.arange(16, dtype=np.float32).reshape(4, 4)
    points = np.array([[1.5, 2.9], [-1.0, 0.0], [4.0, 5.0]], dtype=np.float32)

    assert sample_field(field, points).tolist() == [9.0, 3.0, 4.0]


def test_thin_points__keeps_the_first_of_near_points_across_the_seam(rng):
    points = rng.uniform(0, 60, (150, 2)).astype(np.float32)

    kept = thin_points(points, 60, 6.0)

    def distance(a, b):
        gap = np.abs(a - b)
        gap = np.minimum(gap, 60 - gap)
        return np.hypot(*gap)

    expected: list[int] = []  # greedy, by its definition
    for i, point in enumerate(points):
        if all(distance(point, points[j]) > 6.0 for j in expected):
            expected.append(i)
    assert kept.tolist() == expected

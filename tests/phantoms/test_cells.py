import numpy as np
import pytest

from medvlp.phantoms.cells import NucleusKind, StainField, draw_nuclei, find_borders


def _flat(side):
    zero = np.zeros((side, side), dtype=np.float32)
    return zero, zero.copy()


def _brute_force(points, side):
    axis = np.arange(side) + 0.5
    shifts = [(x, y) for x in (-side, 0, side) for y in (-side, 0, side)]
    copies = np.concatenate([points + np.array(shift) for shift in shifts])
    distance = np.hypot(axis[None, :, None] - copies[:, 0], axis[:, None, None] - copies[:, 1])
    owner = np.argmin(distance, axis=2) % len(points)
    nearest, second = np.sort(distance, axis=2)[..., :2].transpose(2, 0, 1)
    return nearest, (second - nearest) / 2, owner


def test_find_borders__agrees_with_brute_force():
    points = np.random.default_rng(0).uniform(0, 48, (14, 2)).astype(np.float32)

    actual = find_borders(points, 48, 40.0, _flat(48))

    nearest, edge, owner = _brute_force(points, 48)
    np.testing.assert_allclose(actual.nearest_px, nearest, atol=1e-3)
    np.testing.assert_allclose(actual.edge_px, edge, atol=1e-3)
    assert (actual.owner == owner).mean() > 0.999


def test_find_borders__coarse_is_near_the_fine_one():
    points = np.random.default_rng(1).uniform(0, 128, (8, 2)).astype(np.float32)

    fine = find_borders(points, 128, 120.0, _flat(128))
    coarse = find_borders(points, 128, 120.0, _flat(128), coarse=4)

    assert coarse.edge_px.shape == (128, 128)
    assert np.abs(coarse.edge_px - fine.edge_px).mean() < 0.5
    assert (coarse.owner == fine.owner).mean() > 0.93


def test_find_borders__warp_moves_borders():
    points = np.array([[16.0, 32.0], [48.0, 32.0]], dtype=np.float32)
    warp_x, warp_y = _flat(64)

    straight = find_borders(points, 64, 60.0, (warp_x, warp_y)).owner[32]
    shifted = find_borders(points, 64, 60.0, (warp_x + 5, warp_y)).owner[32]

    np.testing.assert_array_equal(np.roll(straight, -5), shifted)


def test_draw_nuclei__covers_the_area_of_an_ellipse():
    kind = NucleusKind(
        length_um=12, width_um=6, size_spread=0, darkness=1, coarseness=0, rim=0, irregularity=0
    )
    field = StainField(*_flat(128), 0.5)

    draw_nuclei(
        np.random.default_rng(2), field, np.array([[64.0, 64.0]], np.float32), kind, np.zeros(1)
    )

    covered = field.hematoxylin > 0.3
    area_um2 = covered.sum() * 0.25
    assert area_um2 == pytest.approx(np.pi * 6 * 3, rel=0.1)
    row, col = np.nonzero(covered)
    assert np.ptp(col) * 0.5 == pytest.approx(12, abs=1.0)  # angle 0: long axis along x
    assert np.ptp(row) * 0.5 == pytest.approx(6, abs=1.0)


def test_draw_nuclei__wraps_around_the_edges():
    kind = NucleusKind(length_um=9, width_um=7)
    corner, middle = StainField(*_flat(64), 0.5), StainField(*_flat(64), 0.5)
    angle = np.array([0.4], dtype=np.float32)

    draw_nuclei(np.random.default_rng(5), corner, np.array([[0, 0]], np.float32), kind, angle)
    draw_nuclei(np.random.default_rng(5), middle, np.array([[32, 32]], np.float32), kind, angle)

    np.testing.assert_array_equal(np.roll(corner.hematoxylin, (32, 32), (0, 1)), middle.hematoxylin)


def test_draw_nuclei__without_points_changes_nothing():
    field = StainField(*_flat(32), 0.5)

    draw_nuclei(
        np.random.default_rng(0),
        field,
        np.empty((0, 2), np.float32),
        NucleusKind(length_um=8, width_um=6),
    )

    assert not field.hematoxylin.any()

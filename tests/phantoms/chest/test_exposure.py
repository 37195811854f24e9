"""From densities to stored values."""

import numpy as np

from medvlp.phantoms.chest.exposure import expose, stamp_marker


def test_expose__keeps_the_order_of_densities_and_varies_with_chance():
    density = np.tile(np.linspace(0.1, 0.8, 200, dtype=np.float32), (200, 1))
    means = set()
    for seed in range(6):
        pixels = expose(density, np.random.default_rng(seed), "L")
        assert pixels.dtype == np.uint16
        columns = pixels[60:180].mean(axis=0)[20:180]
        assert np.all(np.diff(columns.reshape(16, 10).mean(axis=1)) > 0)
        means.add(round(float(columns.mean())))
    assert len(means) > 4


def test_stamp_marker__lies_at_the_top_of_its_side():
    for letter, columns in (("L", slice(60, 120)), ("R", slice(0, 60))):
        picture = np.zeros((120, 120), dtype=np.float32)
        stamp_marker(picture, letter, (5, 115, 5, 115), np.random.default_rng(0))
        assert np.count_nonzero(picture[5:30, columns]) == np.count_nonzero(picture) > 0

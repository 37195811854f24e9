import numpy as np
import pytest

from medvlp.slides import overview
from medvlp.slides.overview import MAX_OVERVIEW_PX, read_overview
from medvlp.slides.reader import open_slide


def test_read_overview__averages_whole_pixels_exactly(write_slide, noise_rgb) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        found = read_overview(reader, 112)
    blocks = noise_rgb.reshape(80, 4, 112, 4, 3).astype(float).mean(axis=(1, 3))
    assert found.rgb.shape == (80, 112, 3)
    # rounding to whole grey levels only
    assert np.abs(found.rgb - blocks).max() <= 0.5 + 1e-9
    assert found.px0_per_px == (4.0, 4.0)
    assert found.readable.all()


def test_read_overview__does_not_depend_on_the_size_of_its_blocks(
    write_slide, noise_rgb, monkeypatch
) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        whole = read_overview(reader, 100)
        monkeypatch.setattr(overview, "_BLOCK_PX", 48)
        pieces = read_overview(reader, 100)
    np.testing.assert_array_equal(whole.rgb, pieces.rgb)


def test_read_overview__reads_a_level_twice_as_fine_as_wanted(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb, downsamples=(1, 2, 4))
    levels = []
    with open_slide(path) as reader:
        plain = reader.read_rgb

        def noted(origin_px0, level, size_px):
            levels.append(level)
            return plain(origin_px0, level, size_px)

        reader.read_rgb = noted
        for longest_px in (448, 200, 110, 40):
            read_overview(reader, longest_px)
    assert levels == [0, 0, 1, 2]


def test_read_overview__never_has_more_pixels_than_the_slide(write_slide, noise_rgb) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        found = read_overview(reader, 5000)
        np.testing.assert_array_equal(found.rgb, noise_rgb)
        for longest_px in (0, MAX_OVERVIEW_PX + 1):
            with pytest.raises(ValueError, match="longest_px must be 1 to"):
                read_overview(reader, longest_px)


def test_read_overview__marks_what_does_not_decode_and_shows_the_rest(
    write_slide, damage_tile, monkeypatch
) -> None:
    monkeypatch.setattr(overview, "_SMALLEST_BLOCK_PX", 64)
    rgb = np.full((512, 512, 3), 90, np.uint8)
    path = write_slide("a.tif", rgb)
    damage_tile(path, 0, 8 * 2 + 3)  # row 2, column 3: x 192 to 256, y 128 to 192
    with open_slide(path) as reader:
        found = read_overview(reader, 64)
    rows, cols = np.nonzero(~found.readable)
    # eight pixels a side, and a ninth where the last resize touches the neighbour
    assert (cols.min(), cols.max(), rows.min(), rows.max()) == (24, 31, 16, 23)
    assert (found.rgb[~found.readable] == 255).all()
    assert (found.rgb[found.readable] == 90).all()


def test_read_overview__gives_up_splitting_a_slide_that_is_damaged_throughout(
    write_slide, damage_tile, monkeypatch
) -> None:
    monkeypatch.setattr(overview, "_SMALLEST_BLOCK_PX", 1)
    monkeypatch.setattr(overview, "_MAX_FAILURES", 20)
    path = write_slide("a.tif", np.full((64, 64, 3), 90, np.uint8))
    damage_tile(path, 0, 0)
    with open_slide(path) as reader:
        found = read_overview(reader, 64)
    assert not found.readable.any()

import numpy as np
import pytest

from medvlp.reporting.rasters import (
    SlideOverview,
    TileLayout,
    average_tiles,
    count_tiles,
    vote_tiles,
)


def overview(width: int = 20, height: int = 12, px0_per_px=(10.0, 10.0)) -> SlideOverview:
    return SlideOverview(
        thumbnail_rgb=np.full((height, width, 3), 200, dtype=np.uint8), px0_per_px=px0_per_px
    )


def layout(corners, tile_px0=(40, 30)) -> TileLayout:
    return TileLayout(coords_px0=np.array(corners, dtype=np.int64), tile_px0=tile_px0)


def boxes_by_hand(view: SlideOverview, tiles: TileLayout):
    """Rows and columns of each tile, one tile at a time, in Python's own numbers."""
    height, width = view.thumbnail_rgb.shape[:2]
    for x, y in tiles.coords_px0.tolist():
        edges = []
        for start, length, scale, size in (
            (x, tiles.tile_px0[0], view.px0_per_px[0], width),
            (y, tiles.tile_px0[1], view.px0_per_px[1], height),
        ):
            first = min(max(int((start / scale) + 0.5), 0), size - 1)
            last = min(max(int(((start + length) / scale) + 0.5), first + 1), size)
            edges.append(slice(first, last))
        yield edges[1], edges[0]


def test_average_tiles__gives_the_mean_where_two_tiles_overlap() -> None:
    # 10 level-0 pixels per thumbnail pixel: columns 0 to 3 and 2 to 5, rows 0 to 2
    tiles = layout([(0, 0), (20, 0)])
    mean, count = average_tiles(overview(), tiles, np.array([0.2, 0.6]))
    np.testing.assert_allclose(mean[0, :7], [0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.0], atol=1e-12)
    assert count[:, 2].tolist() == [2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert mean[3].max() == 0.0


@pytest.mark.parametrize("px0_per_px", [(10.0, 10.0), (7.3, 11.9), (90.0, 60.0)])
def test_average_tiles__equals_a_loop_over_tiles(px0_per_px) -> None:
    rng = np.random.default_rng(0)
    view = overview(px0_per_px=px0_per_px)
    corners = np.stack([rng.integers(0, 170, 60), rng.integers(0, 100, 60)], axis=1)
    tiles = layout(corners, tile_px0=(33.5, 21.25))
    values = rng.random(60)
    total = np.zeros(view.thumbnail_rgb.shape[:2])
    number = np.zeros(view.thumbnail_rgb.shape[:2], dtype=int)
    for (rows, cols), value in zip(boxes_by_hand(view, tiles), values, strict=True):
        total[rows, cols] += value
        number[rows, cols] += 1
    mean, count = average_tiles(view, tiles, values)
    np.testing.assert_array_equal(count, number)
    np.testing.assert_allclose(mean, total / np.maximum(number, 1), rtol=0, atol=1e-12)
    assert (mean[count == 0] == 0).all()


def test_tiles__that_touch_leave_no_gap_and_no_overlap() -> None:
    # 25.6 level-0 pixels a tile, 7 a thumbnail pixel: no edge falls on a pixel
    corners = [(round(25.6 * i), round(25.6 * j)) for j in range(3) for i in range(5)]
    view = overview(px0_per_px=(7.0, 7.0))
    count = count_tiles(view, np.array(corners), (25.6, 25.6))
    covered = count[: round(3 * 25.6 / 7), : round(5 * 25.6 / 7)]
    assert covered.min() == 1
    assert covered.max() == 1


def test_tiles__smaller_than_a_pixel_are_still_seen() -> None:
    count = count_tiles(overview(px0_per_px=(100.0, 100.0)), np.array([(110, 210)]), (3, 3))
    assert np.argwhere(count).tolist() == [[2, 1]]


def test_tiles__at_the_rim_stay_on_the_thumbnail() -> None:
    count = count_tiles(overview(), np.array([(190, 110), (500, 500), (-30, -30)]), (40, 40))
    assert count[11, 19] == 2
    assert count[0, 0] == 1


def test_vote_tiles__takes_the_most_frequent_class_and_the_first_of_equals() -> None:
    tiles = layout([(0, 0), (0, 0), (0, 0), (100, 0), (100, 0)])
    winner = vote_tiles(overview(), tiles, np.array([2, 0, 2, 1, 0]), 3)
    assert winner[0, 0] == 2
    assert winner[0, 10] == 0
    assert winner[0, 5] == -1


def test_vote_tiles__gives_nothing_for_no_tiles() -> None:
    none = layout(np.empty((0, 2)))
    assert (vote_tiles(overview(), none, np.empty(0, dtype=np.int64), 3) == -1).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.5]), "expected 2 values, got shape"),
        (np.array([0.5, np.nan]), "values must be finite, 1 are not"),
    ],
)
def test_average_tiles__refuses_values_that_do_not_fit(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        average_tiles(overview(), layout([(0, 0), (9, 9)]), values)


@pytest.mark.parametrize("labels", [np.array([0, 3]), np.array([-1, 0]), np.array([0])])
def test_vote_tiles__refuses_labels_that_do_not_fit(labels) -> None:
    with pytest.raises(ValueError, match=r"expected 2 labels|labels must lie in 0 to 2"):
        vote_tiles(overview(), layout([(0, 0), (9, 9)]), labels, 3)


def test_overview__refuses_what_is_no_picture_or_no_scale() -> None:
    with pytest.raises(ValueError, match="thumbnail_rgb must be uint8"):
        SlideOverview(thumbnail_rgb=np.zeros((4, 4, 3)), px0_per_px=(1, 1))
    with pytest.raises(ValueError, match="px0_per_px must be two positive numbers"):
        overview(px0_per_px=(0.0, 1.0))


def test_layout__refuses_what_is_no_tile() -> None:
    with pytest.raises(ValueError, match="coords_px0 must have shape"):
        layout([1, 2, 3])
    with pytest.raises(ValueError, match="tile_px0 must be two positive"):
        layout([(0, 0)], tile_px0=(0, 4))

import matplotlib
import numpy as np
import pytest

from medvlp.reporting.overlays import draw_class_map, draw_heatmap
from medvlp.reporting.palette import NEUTRAL_RGB, class_colours
from medvlp.reporting.rasters import SlideOverview, TileLayout


def overview(**changes) -> SlideOverview:
    thumbnail = np.zeros((300, 500, 3), dtype=np.uint8)
    thumbnail[:] = (220, 150, 190)
    return SlideOverview(
        **({"thumbnail_rgb": thumbnail, "px0_per_px": (10.0, 10.0), "mpp_xy": (0.5, 0.5)} | changes)
    )


def tiles(failed=None) -> TileLayout:
    return TileLayout(
        coords_px0=np.array([(0, 0), (1000, 0), (2000, 1000)]),
        tile_px0=(1000, 1000),
        failed_coords_px0=failed,
    )


def mixed(colour, alpha: float) -> np.ndarray:
    """Colour over the grey of the thumbnail: weights of ITU-R BT.601."""
    grey = 0.299 * 220 + 0.587 * 150 + 0.114 * 190
    return np.floor(alpha * np.asarray(colour, dtype=float) + (1 - alpha) * grey + 0.5)


def test_draw_heatmap__colours_tiles_by_their_value() -> None:
    values = np.array([0.0, 1.0, 0.5])
    picture = draw_heatmap(overview(), tiles(), values, title="score", alpha=0.7)
    for (row, col), value in (((50, 50), 0.0), ((50, 150), 1.0), ((150, 250), 0.5)):
        place = int(value * 255 + 0.5)
        colour = np.array(matplotlib.colormaps["viridis"](place, bytes=True)[:3])
        np.testing.assert_array_equal(picture[row, col], mixed(colour, 0.7))
    np.testing.assert_array_equal(picture[250, 450], (220, 150, 190))


def test_draw_heatmap__gives_the_ends_to_values_outside_of_the_range() -> None:
    wide = draw_heatmap(overview(), tiles(), np.array([-3.0, 9.0, 2.0]), title="t")
    clipped = draw_heatmap(overview(), tiles(), np.array([0.0, 1.0, 1.0]), title="t")
    np.testing.assert_array_equal(wide, clipped)


def test_draw_heatmap__hatches_unread_tiles_and_never_colours_them() -> None:
    failed = np.array([(3000, 1000)])
    plain = draw_heatmap(overview(), tiles(), np.zeros(3), title="t")
    picture = draw_heatmap(overview(), tiles(failed), np.zeros(3), title="t")
    unread = picture[100:200, 300:400].reshape(-1, 3)
    colours = {tuple(pixel) for pixel in unread.tolist()}
    assert colours == {(220, 150, 190), (150, 30, 60)}
    np.testing.assert_array_equal(picture[:100, :300], plain[:100, :300])


def test_draw_heatmap__does_not_hatch_what_an_overlapping_tile_covers() -> None:
    picture = draw_heatmap(overview(), tiles(np.array([(0, 0)])), np.zeros(3), title="t")
    plain = draw_heatmap(overview(), tiles(), np.zeros(3), title="t")
    np.testing.assert_array_equal(picture[:300], plain[:300])


def test_draw_heatmap__outlines_tissue_of_a_coarser_mask() -> None:
    mask = np.zeros((15, 25), dtype=bool)
    mask[10:14, 15:20] = True  # rows 200 to 279, columns 300 to 399 of the thumbnail
    view = overview(tissue_mask=mask, tissue_px0_per_px=(200.0, 200.0))
    picture = draw_heatmap(view, tiles(), np.zeros(3), title="t")
    rim = (60, 64, 67)
    for row, col in ((200, 350), (279, 350), (240, 300), (240, 399)):
        assert tuple(picture[row, col]) == rim
    for row, col in ((240, 350), (199, 350), (280, 350), (240, 299), (240, 400)):
        assert tuple(picture[row, col]) == (220, 150, 190)


def test_draw_heatmap__works_without_tiles() -> None:
    none = TileLayout(coords_px0=np.empty((0, 2), dtype=np.int64), tile_px0=(9, 9))
    picture = draw_heatmap(overview(), none, np.empty(0), title="t")
    np.testing.assert_array_equal(picture[:300], overview().thumbnail_rgb)


def test_draw_heatmap__leaves_the_thumbnail_and_the_values_as_they_were() -> None:
    view, values = overview(tissue_mask=np.eye(300, 500, dtype=bool)), np.array([0.1, 0.5, 0.9])
    before = view.thumbnail_rgb.copy()
    first = draw_heatmap(view, tiles(np.array([(4000, 0)])), values, title="t")
    np.testing.assert_array_equal(view.thumbnail_rgb, before)
    again = draw_heatmap(view, tiles(np.array([(4000, 0)])), values, title="t")
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour_map": "jet"}, "colour_map must be one of .* got 'jet'"),
        ({"value_range": (1.0, 1.0)}, "value_range must be"),
        ({"alpha": 1.5}, "alpha must lie in 0 to 1, got 1.5"),
    ],
)
def test_draw_heatmap__refuses_settings_that_would_mislead(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        draw_heatmap(overview(), tiles(), np.zeros(3), title="t", **changes)


def test_draw_class_map__uses_the_colours_of_the_report() -> None:
    names = ["CCRCC", "PRCC", "Normal"]
    picture = draw_class_map(
        overview(), tiles(), np.array([0, 1, 2]), names, title="t", neutral="Normal", alpha=1.0
    )
    colours = class_colours(names, neutral="Normal")
    assert tuple(picture[50, 50]) == colours["CCRCC"]
    assert tuple(picture[50, 150]) == colours["PRCC"]
    assert tuple(picture[150, 250]) == NEUTRAL_RGB


def test_draw_class_map__lists_only_classes_that_occur() -> None:
    names = ["A", "B"]
    both = draw_class_map(overview(), tiles(), np.array([0, 1, 1]), names, title="t")
    one = draw_class_map(overview(), tiles(), np.array([0, 0, 0]), names, title="t")
    colour = np.array(class_colours(names)["B"])
    assert (both[300:] == colour).all(axis=2).any()
    assert not (one[300:] == colour).all(axis=2).any()

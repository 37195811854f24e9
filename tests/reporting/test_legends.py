import numpy as np
import pytest

from medvlp.reporting.legends import ColourBar, ScaleBar, Swatch, add_legend, nice_length_um


def picture(width: int, height: int = 100) -> np.ndarray:
    return np.full((height, width, 3), 90, dtype=np.uint8)


@pytest.mark.parametrize(
    ("room_um", "expected"),
    [(1.0, 1.0), (1.99, 1.0), (2.0, 2.0), (49.0, 20.0), (50.0, 50.0), (999.0, 500.0), (0.3, 0.2)],
)
def test_nice_length_um__is_the_longest_round_length_that_fits(room_um, expected) -> None:
    assert nice_length_um(room_um) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("room_um", [0.0, -1.0, float("nan"), float("inf")])
def test_nice_length_um__refuses_no_room(room_um) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        nice_length_um(room_um)


def test_add_legend__covers_nothing_of_the_picture() -> None:
    with_legend = add_legend(picture(800), "title", [Swatch(label="a", colour=(1, 2, 3))])
    np.testing.assert_array_equal(with_legend[:100], picture(800))
    assert with_legend.shape[1] == 800
    assert (with_legend[100:] == (1, 2, 3)).all(axis=2).any()


def test_add_legend__centres_a_narrow_picture_on_white() -> None:
    with_legend = add_legend(picture(20), "title", [])
    assert with_legend.shape[1] == 420
    np.testing.assert_array_equal(with_legend[:100, 200:220], picture(20))
    assert (with_legend[:100, :200] == 255).all()


def test_add_legend__takes_more_lines_for_more_items() -> None:
    items = [Swatch(label=f"class number {number}", colour=(9, 9, 9)) for number in range(12)]
    few = add_legend(picture(500), "title", items[:2])
    many = add_legend(picture(500), "title", items)
    assert many.shape[0] > few.shape[0]


@pytest.mark.parametrize("um_per_px", [0.25, 8.0, 31.7, 400.0])
def test_scale_bar__has_the_length_that_it_names(um_per_px: float) -> None:
    legend = add_legend(picture(1000), "", [ScaleBar(um_per_px=um_per_px)])[100:]
    ink = (legend == (32, 33, 36)).all(axis=2)
    longest = max(run_lengths(row) for row in ink)
    expected_px = nice_length_um(0.22 * 1000 * um_per_px) / um_per_px
    assert abs(longest - expected_px) <= 1


def run_lengths(row: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def test_colour_bar__runs_from_the_first_to_the_last_colour() -> None:
    table = np.stack([np.arange(256), np.full(256, 7), np.full(256, 8)], axis=1).astype(np.uint8)
    legend = add_legend(picture(600), "", [ColourBar(table=table, low="0", high="1")])[100:]
    strip = legend[(legend[..., 1] == 7) & (legend[..., 2] == 8)]
    assert strip[:, 0].min() == 0
    assert strip[:, 0].max() == 255


def test_swatch__draws_three_styles() -> None:
    shares = {}
    for style in ("fill", "hatch", "outline"):
        swatch = Swatch(label="", colour=(200, 0, 0), style=style)
        legend = add_legend(picture(500), "", [swatch])
        shares[style] = int((legend == (200, 0, 0)).all(axis=2).sum())
    assert shares["fill"] > shares["hatch"] > shares["outline"] > 0


def test_add_legend__takes_hostile_and_endless_texts() -> None:
    swatch = Swatch(label="a\nb\x00\u202e" + "x" * 500, colour=(1, 1, 1))
    with_legend = add_legend(picture(500), "t\n" + "y" * 900, [swatch])
    assert with_legend.shape[1] == 500
    assert with_legend.shape[0] < 260

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medvlp.errors import SlideError
from medvlp.slides.geometry import plan_tile_spec
from medvlp.slides.reader import open_slide
from medvlp.slides.tiling import TilingConfig, plan_tiles
from medvlp.slides.tissue import TissueMask


class StubReader:
    """The facts that planning needs, without a file."""

    def __init__(self, size_px0, *, mpp_xy=(0.5, 0.5), bounds_px0=None) -> None:
        self.size_px0 = size_px0
        self.mpp_xy = mpp_xy
        self.bounds_px0 = bounds_px0 or (0, 0, *size_px0)
        self.level_downsamples = (1.0, 2.0)


def covering(mask: np.ndarray, size_px0: tuple[int, int]) -> TissueMask:
    rows, cols = mask.shape
    return TissueMask(mask, (size_px0[0] / cols, size_px0[1] / rows))


def everywhere(size_px0: tuple[int, int]) -> TissueMask:
    return covering(np.ones((4, 4), np.bool_), size_px0)


def test_plan_tiles__lays_a_grid_row_by_row() -> None:
    plan = plan_tiles(StubReader((70, 50)), everywhere((70, 50)), TilingConfig(tile_px=20))
    assert plan.coords.tolist() == [[0, 0], [20, 0], [40, 0], [0, 20], [20, 20], [40, 20]]
    assert plan.coords.dtype == np.int64
    assert plan.tissue.dtype == np.float32
    assert plan.tissue.tolist() == [1.0] * 6
    assert plan.num_tiles == 6


def test_plan_tiles__steps_by_the_overlap() -> None:
    config = TilingConfig(tile_px=20, overlap=0.75)
    plan = plan_tiles(StubReader((31, 20)), everywhere((31, 20)), config)
    assert plan.coords.tolist() == [[0, 0], [5, 0], [10, 0]]


def test_plan_tiles__starts_at_the_bounds_and_stays_inside() -> None:
    reader = StubReader((200, 100), bounds_px0=(30, 10, 50, 45))
    plan = plan_tiles(reader, everywhere((200, 100)), TilingConfig(tile_px=20))
    assert plan.coords.tolist() == [[30, 10], [50, 10], [30, 30], [50, 30]]


def test_plan_tiles__counts_mask_pixels_in_part() -> None:
    # tissue is x < 45 of 60 in mask pixels of 15; tiles of 20: whole, whole, a quarter
    mask = np.array([[True, True, True, False]])
    plan = plan_tiles(
        StubReader((60, 20)), covering(mask, (60, 20)), TilingConfig(tile_px=20, min_tissue=0.25)
    )
    assert plan.tissue.tolist() == [1.0, 1.0, 0.25]
    fewer = TilingConfig(tile_px=20, min_tissue=0.26)
    assert plan_tiles(StubReader((60, 20)), covering(mask, (60, 20)), fewer).num_tiles == 2


@given(size_px0=st.tuples(st.integers(30, 9999), st.integers(30, 9999)), rows=st.integers(1, 99))
def test_plan_tiles__keeps_whole_tiles_where_all_must_be_tissue(size_px0, rows) -> None:
    everything = covering(np.ones((rows, 37), np.bool_), size_px0)
    config = TilingConfig(tile_px=29, min_tissue=1.0, overlap=0.3)
    plan = plan_tiles(StubReader(size_px0), everything, config)
    step = plan.spec.level0.step_px0[0]
    across, down = ((side - 29) // step + 1 for side in size_px0)
    assert plan.num_tiles == across * down


@given(
    mask=hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    size_px0=st.tuples(st.integers(30, 90), st.integers(30, 90)),
    tile_px=st.integers(5, 25),
    overlap=st.floats(0, 0.8),
)
def test_plan_tiles__share_of_tissue_equals_counting_pixels(
    mask, size_px0, tile_px, overlap
) -> None:
    rows, cols = mask.shape
    # an oracle on a fine raster on which slide pixels and mask pixels are both whole
    fine = np.kron(mask, np.ones((size_px0[1], size_px0[0])))
    config = TilingConfig(tile_px=tile_px, overlap=overlap, min_tissue=0.0)
    plan = plan_tiles(StubReader(size_px0), covering(mask, size_px0), config)
    for (x, y), share in zip(plan.coords.tolist(), plan.tissue.tolist(), strict=True):
        window = fine[y * rows : (y + tile_px) * rows, x * cols : (x + tile_px) * cols]
        assert share == pytest.approx(window.mean(), abs=1e-5)


def test_plan_tiles__of_a_slide_without_tissue_is_empty() -> None:
    nothing = covering(np.zeros((4, 4), np.bool_), (70, 50))
    plan = plan_tiles(StubReader((70, 50)), nothing, TilingConfig(tile_px=20))
    assert plan.num_tiles == 0
    assert plan.coords.shape == (0, 2)
    assert plan.coords.dtype == np.int64
    assert plan.tissue.shape == (0,)


def test_plan_tiles__of_a_slide_smaller_than_a_tile_is_empty() -> None:
    assert plan_tiles(StubReader((15, 50)), everywhere((15, 50)), TilingConfig()).num_tiles == 0


def test_plan_tiles__uses_the_true_scale_of_each_axis() -> None:
    reader = StubReader((100, 100), mpp_xy=(0.25, 0.5))
    plan = plan_tiles(reader, everywhere((100, 100)), TilingConfig(tile_px=20))
    assert plan.spec == plan_tile_spec((0.25, 0.5), (1.0, 2.0), target_mpp=0.5, tile_px=20)
    assert plan.coords[1].tolist() == [40, 0]


def test_plan_tiles__refuses_slides_that_are_too_coarse_or_have_no_scale(
    write_slide, noise_rgb
) -> None:
    with pytest.raises(SlideError, match="MV1205"):
        plan_tiles(StubReader((99, 99), mpp_xy=(1.0, 1.0)), everywhere((99, 99)), TilingConfig())
    allowed = TilingConfig(tile_px=20, allow_upsampling=True)
    reader = StubReader((99, 99), mpp_xy=(1.0, 1.0))
    assert plan_tiles(reader, everywhere((99, 99)), allowed).spec.level0.tile_px0 == (10, 10)
    with (
        open_slide(write_slide("a.tif", noise_rgb, mpp_xy=None)) as unscaled,
        pytest.raises(SlideError, match="MV1203"),
    ):
        plan_tiles(unscaled, everywhere(unscaled.size_px0), TilingConfig())


def test_tile_plan__travels_and_its_parameters_survive_json() -> None:
    plan = plan_tiles(StubReader((70, 50)), everywhere((70, 50)), TilingConfig(tile_px=20))
    copy = pickle.loads(pickle.dumps(plan))  # noqa: S301  made in the line before
    np.testing.assert_array_equal(copy.coords, plan.coords)
    assert copy.spec == plan.spec
    parameters = plan.parameters()
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters["tiling"]["min_tissue"] == 0.5
    assert parameters["geometry"]["level0"]["tile_px0"] == [20, 20]


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_tissue": -0.1},
        {"min_tissue": 1.1},
        {"min_tissue": float("nan")},
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"tile_px": 0},
        {"mpp": 0.0},
        {"mpp": float("inf")},
    ],
)
def test_tiling_config__refuses_values_outside_their_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        TilingConfig(**wrong)

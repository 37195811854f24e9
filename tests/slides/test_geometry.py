import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvlp.errors import SlideError
from medvlp.slides.geometry import LEVEL_TOLERANCE, MAX_READ_PX, plan_tile_spec

mpps = st.floats(0.1, 1.0)
pyramids = st.sampled_from([(1.0,), (1.0, 2.0, 4.0), (1.0, 4.0, 16.0), (1.0, 2.0005, 4.003)])


def test_plan_tile_spec__by_hand() -> None:
    # 256 px at 0.5 um = 128 um = 512 px of 0.25 um; the level of 0.5 um serves them as they are
    spec = plan_tile_spec((0.25, 0.25), (1.0, 2.0, 4.0), target_mpp=0.5, tile_px=256, overlap=0.25)
    assert spec.level0.tile_px0 == (512, 512)
    assert spec.level0.step_px0 == (384, 384)
    assert (spec.read.level, spec.read.downsample, spec.read.size_px) == (1, 2.0, (256, 256))
    assert (spec.target.tile_px, spec.target.mpp, spec.target.overlap) == (256, 0.5, 0.25)
    assert spec.true_mpp_xy == (0.5, 0.5)


def test_plan_tile_spec__keeps_anisotropic_pixels_square_in_micrometres() -> None:
    spec = plan_tile_spec((0.25, 0.5), (1.0,), target_mpp=0.5, tile_px=256)
    assert spec.level0.tile_px0 == (512, 256)
    assert spec.read.size_px == (512, 256)
    assert spec.true_mpp_xy == (0.5, 0.5)


@pytest.mark.parametrize(("mpp", "tile_px0"), [(0.29, 441), (0.31, 413), (0.45, 284), (0.59, 256)])
def test_plan_tile_spec__is_true_to_scales_between_magnifications(
    mpp: float, tile_px0: int
) -> None:
    target = max(0.5, mpp)
    spec = plan_tile_spec((mpp, mpp), (1.0,), target_mpp=target, tile_px=256)
    assert spec.level0.tile_px0 == (tile_px0, tile_px0)
    assert spec.true_mpp_xy[0] == pytest.approx(target, rel=2e-3)


@given(
    mpp_xy=st.tuples(mpps, mpps),
    pyramid=pyramids,
    tile_px=st.integers(16, 512),
    overlap=st.floats(0, 0.99),
    coarser=st.floats(1, 8),
)
def test_plan_tile_spec__holds_for_all_slides(mpp_xy, pyramid, tile_px, overlap, coarser) -> None:
    target_mpp = max(mpp_xy) * coarser
    spec = plan_tile_spec(mpp_xy, pyramid, target_mpp=target_mpp, tile_px=tile_px, overlap=overlap)
    for axis, mpp in enumerate(mpp_xy):
        tile_px0, step_px0 = spec.level0.tile_px0[axis], spec.level0.step_px0[axis]
        # no more than half a level-0 pixel away from the size that was asked for
        assert abs(tile_px0 * mpp - tile_px * target_mpp) <= mpp / 2 + 1e-9
        assert 1 <= step_px0 <= tile_px0
        assert (
            abs(spec.read.size_px[axis] * spec.read.downsample - tile_px0) <= spec.read.downsample
        )
        assert spec.true_mpp_xy[axis] == pytest.approx(tile_px0 * mpp / tile_px)
        # never enlarged where a finer level exists
        assert mpp * spec.read.downsample <= target_mpp * (1 + LEVEL_TOLERANCE)
    finer_than_needed = [
        d for d in pyramid if max(mpp_xy) * d <= target_mpp * (1 + LEVEL_TOLERANCE)
    ]
    assert spec.read.downsample == max(finer_than_needed)


def test_plan_tile_spec__tolerates_rounded_pyramids_and_unsorted_levels() -> None:
    spec = plan_tile_spec((0.25, 0.25), (1.0, 4.004, 2.001), target_mpp=1.0, tile_px=256)
    assert spec.read.level == 1
    assert spec.read.size_px == (256, 256)


def test_plan_tile_spec__reads_a_slightly_coarse_slide_as_it_is() -> None:
    spec = plan_tile_spec((0.52, 0.52), (1.0,), target_mpp=0.5, tile_px=256)
    assert spec.level0.tile_px0 == (246, 246)


def test_plan_tile_spec__refuses_to_invent_detail_unless_allowed() -> None:
    with pytest.raises(SlideError, match=r"0\.9 micrometres per pixel at its finest") as caught:
        plan_tile_spec((0.5, 0.9), (1.0,), target_mpp=0.5, tile_px=256)
    assert caught.value.code == "MV1205"
    spec = plan_tile_spec((0.5, 0.9), (1.0,), target_mpp=0.5, tile_px=256, allow_upsampling=True)
    assert spec.read.size_px == (256, 142)


def test_plan_tile_spec__refuses_tiles_made_of_too_many_pixels() -> None:
    with pytest.raises(SlideError, match=f"at most {MAX_READ_PX}") as caught:
        plan_tile_spec((0.05, 0.05), (1.0,), target_mpp=20, tile_px=256)
    assert caught.value.code == "MV1209"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mpp_xy": (0.0, 0.5)}, "mpp x must be a positive number"),
        ({"mpp_xy": (0.5, float("nan"))}, "mpp y must be a positive number"),
        ({"target_mpp": float("inf")}, "target_mpp must be a positive number"),
        ({"tile_px": 0}, "tile_px must be at least 1 pixel, got 0"),
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\)"),
        ({"overlap": -0.1}, r"overlap must be in \[0, 1\)"),
        ({"level_downsamples": ()}, "level_downsamples must be positive"),
        ({"level_downsamples": (1.0, 0.0)}, "level_downsamples must be positive"),
    ],
)
def test_plan_tile_spec__refuses_impossible_arguments(change: dict, message: str) -> None:
    arguments = {
        "mpp_xy": (0.5, 0.5),
        "level_downsamples": (1.0,),
        "target_mpp": 0.5,
        "tile_px": 256,
        "overlap": 0.0,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        plan_tile_spec(**arguments)


def test_tile_spec__parameters_survive_json() -> None:
    parameters = plan_tile_spec((0.25, 0.3), (1.0, 2.0), target_mpp=0.6, tile_px=224).parameters()
    assert json.loads(json.dumps(parameters)) == parameters
    assert list(parameters) == ["target", "read", "level0"]

import pytest

from medvlp.errors import SlideError
from medvlp.slides.scale import find_scale

METADATA = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26"}
IN_CENTIMETRES = {
    "tiff.XResolution": "20000",
    "tiff.YResolution": "40000",
    "tiff.ResolutionUnit": "centimeter",
}


def test_find_scale__keeps_both_axes_of_the_metadata() -> None:
    scale = find_scale(METADATA, "a.svs")
    assert scale.mpp_xy == (0.25, 0.26)
    assert scale.source == "metadata"


def test_find_scale__lets_the_user_replace_the_metadata_and_says_so() -> None:
    scale = find_scale(METADATA, "a.svs", given_mpp=0.5, fallback_mpp=0.9)
    assert scale.mpp_xy == (0.5, 0.5)
    assert scale.source == "given"


def test_find_scale__prefers_the_metadata_to_a_fallback() -> None:
    assert find_scale(METADATA, "a.svs", fallback_mpp=0.9).source == "metadata"


def test_find_scale__takes_the_fallback_where_nothing_is_stated() -> None:
    scale = find_scale({}, "a.svs", fallback_mpp=0.9)
    assert scale.mpp_xy == (0.9, 0.9)
    assert scale.source == "fallback"


def test_find_scale__reads_resolution_tags_with_a_real_unit() -> None:
    # 10000 um per cm over 20000 and 40000 px per cm
    assert find_scale(IN_CENTIMETRES, "a.tif").mpp_xy == (0.5, 0.25)
    inches = {**IN_CENTIMETRES, "tiff.ResolutionUnit": "inch"}
    assert find_scale(inches, "a.tif").mpp_xy == pytest.approx((1.27, 0.635))


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"openslide.mpp-x": "0.5"},
        {"openslide.mpp-x": "nan", "openslide.mpp-y": "0.5"},
        {"openslide.mpp-x": "about half", "openslide.mpp-y": "0.5"},
        {**IN_CENTIMETRES, "tiff.ResolutionUnit": "none"},
        {**IN_CENTIMETRES, "tiff.XResolution": "0"},
        {"tiff.XResolution": "72", "tiff.YResolution": "72", "tiff.ResolutionUnit": "inch"},
    ],
)
def test_find_scale__names_both_remedies_where_nothing_is_stated(
    properties: dict[str, str],
) -> None:
    with pytest.raises(SlideError, match="does not state its micrometres per pixel") as caught:
        find_scale(properties, "a.svs")
    assert caught.value.code == "MV1203"
    assert "--slide-mpp" in caught.value.hint
    assert "manifest column slide_mpp" in caught.value.hint


@pytest.mark.parametrize("stated", ["0.01", "352.8", "-1"])
def test_find_scale__questions_metadata_that_cannot_be_true(stated: str) -> None:
    properties = {"openslide.mpp-x": stated, "openslide.mpp-y": "0.5"}
    with pytest.raises(SlideError, match=r"between 0\.05 and 20") as caught:
        find_scale(properties, "a.svs")
    assert caught.value.code == "MV1204"
    assert find_scale(properties, "a.svs", fallback_mpp=0.5).source == "fallback"
    assert find_scale(properties, "a.svs", given_mpp=352.8).mpp_xy == (352.8, 352.8)


@pytest.mark.parametrize("given", [0.0, -0.5, float("nan"), float("inf")])
def test_find_scale__refuses_a_stated_scale_that_is_no_size(given: float) -> None:
    for keyword in ("given_mpp", "fallback_mpp"):
        with pytest.raises(SlideError, match="positive number") as caught:
            find_scale(METADATA, "a.svs", **{keyword: given})
        assert caught.value.code == "MV1204"

from dataclasses import replace

import pytest

from medvlp.errors import FeatureError
from medvlp.slides.feature_match import check_features_match


def test_check_features_match__accepts_what_was_asked_for(feature_meta) -> None:
    check_features_match(feature_meta)
    check_features_match(
        feature_meta,
        weights_sha256=feature_meta.weights_sha256,
        encoder="another name of the same weights",
        target_mpp=0.5 + 1e-9,
        tile_px=256,
        overlap=0.25,
        need_projected=True,
        slide_sha256=feature_meta.slide_sha256,
    )


@pytest.mark.parametrize(
    ("wanted", "code", "stated"),
    [
        ({"weights_sha256": "ff" * 32}, "MV1302", ["open_clip:ViT-B-32", "a1a1a1", "ffffff"]),
        ({"target_mpp": 0.25}, "MV1303", ["mpp 0.5 um/px", "0.25 um/px"]),
        ({"tile_px": 224}, "MV1303", ["tile size 256 px", "224 px"]),
        ({"overlap": 0.0}, "MV1303", ["overlap 0.25", "0 of a side"]),
        ({"slide_sha256": "ee" * 32}, "MV1305", ["b2b2b2", "eeeeee"]),
    ],
)
def test_check_features_match__states_both_values(
    feature_meta, wanted: dict, code: str, stated: list[str]
) -> None:
    with pytest.raises(FeatureError) as caught:
        check_features_match(feature_meta, **wanted)
    assert caught.value.code == code
    assert caught.value.hint
    for value in [*stated, "slide_001"]:
        assert value in caught.value.reason


def test_check_features_match__refuses_unprojected_features_where_text_is_compared(
    feature_meta,
) -> None:
    unprojected = replace(feature_meta, is_projected=False)
    check_features_match(unprojected)
    with pytest.raises(FeatureError, match="not projected") as caught:
        check_features_match(unprojected, need_projected=True)
    assert caught.value.code == "MV1304"

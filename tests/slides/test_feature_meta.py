import json
from dataclasses import fields, replace

import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.slides.feature_meta import (
    FeatureMeta,
    meta_from_attributes,
    meta_to_attributes,
    trident_attributes,
)


def test_meta__comes_back_from_its_attributes(feature_meta) -> None:
    attributes = meta_to_attributes(feature_meta)
    assert list(attributes)[:3] == ["format", "format_version", "case_key"]
    assert meta_from_attributes(attributes, "a.h5") == feature_meta


@pytest.mark.parametrize("name", [field.name for field in fields(FeatureMeta)])
def test_meta_from_attributes__names_what_is_missing_or_wrong(feature_meta, name: str) -> None:
    attributes = meta_to_attributes(feature_meta)
    without = {key: value for key, value in attributes.items() if key != name}
    with pytest.raises(FeatureError, match=f"lacks the attribute '{name}'") as caught:
        meta_from_attributes(without, "a.h5")
    assert caught.value.code == "MV1314"
    for wrong in (np.zeros((2, 3)), None):
        with pytest.raises(FeatureError, match=f"the attribute '{name}' is") as caught:
            meta_from_attributes({**attributes, name: wrong}, "a.h5")
        assert caught.value.code == "MV1314"


@pytest.mark.parametrize("wrong", ["[1, 2]", "{", "7"])
def test_meta_from_attributes__wants_a_json_object_for_tissue(feature_meta, wrong: str) -> None:
    attributes = {**meta_to_attributes(feature_meta), "tissue": wrong}
    with pytest.raises(FeatureError, match="the attribute 'tissue' is"):
        meta_from_attributes(attributes, "a.h5")


def test_meta_from_attributes__refuses_files_of_other_tools_and_versions(feature_meta) -> None:
    attributes = meta_to_attributes(feature_meta)
    with pytest.raises(FeatureError, match="not a tile feature file of medvlp") as caught:
        meta_from_attributes({}, "a.h5")
    assert caught.value.code == "MV1310"
    assert "medvlp import" in caught.value.hint
    with pytest.raises(FeatureError, match="format version 99") as caught:
        meta_from_attributes({**attributes, "format_version": 99}, "a.h5")
    assert caught.value.code == "MV1314"


def test_trident_attributes__give_its_reader_the_true_scale(feature_meta) -> None:
    square = replace(feature_meta, level0_mpp_xy=(0.31, 0.31), tile_px0=(413, 413))
    attributes = trident_attributes(square)
    # how TRIDENT finds the level-0 size of a patch from the two magnifications
    ratio = attributes["level0_magnification"] / attributes["target_magnification"]
    assert round(attributes["patch_size"] * ratio) == 413 == attributes["patch_size_level0"]
    assert attributes["overlap"] == 64
    assert (attributes["level0_width"], attributes["level0_height"]) == (9216, 7936)
    assert attributes["savetodir"] == "."
    assert attributes["name"] == "slide_001"


def test_meta_to_attributes__holds_plain_values(feature_meta) -> None:
    attributes = meta_to_attributes(feature_meta)
    assert json.loads(str(attributes["tissue"])) == dict(feature_meta.tissue)
    kinds = {type(value) for value in attributes.values()}
    assert kinds <= {str, int, float, bool, np.ndarray}

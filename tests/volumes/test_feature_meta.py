"""The description of a feature file survives storing; what is missing or odd is named."""

from dataclasses import replace

import pytest

from medvlp.errors import FeatureError
from medvlp.volumes.feature_meta import meta_from_attributes, meta_to_attributes
from tests.volumes.feature_samples import make_features

META = make_features().meta


def test_meta__comes_back_from_its_attributes() -> None:
    found = meta_from_attributes(meta_to_attributes(META), "a.h5")
    assert replace(found, preprocessing={}) == replace(META, preprocessing={})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("is_projected", 1),
        ("num_air", 1.5),
        ("scan_shape_zyx", 3),
        ("findings", "[[1, 2]]"),
        ("findings", "{"),
        ("preprocessing", "[]"),
        ("encoder", 3),
    ],
)
def test_meta__names_an_attribute_of_the_wrong_kind(name: str, value: object) -> None:
    attributes = {**meta_to_attributes(META), name: value}
    with pytest.raises(FeatureError, match=rf"MV1314: a.h5: the attribute '{name}'"):
        meta_from_attributes(attributes, "a.h5")


def test_meta__names_what_is_missing() -> None:
    attributes = meta_to_attributes(META)
    del attributes["scan_axes"]
    with pytest.raises(FeatureError, match=r"MV1314: a.h5 lacks the attribute 'scan_axes'"):
        meta_from_attributes(attributes, "a.h5")
    with pytest.raises(FeatureError, match=r"MV1314: a.h5 has format version 9"):
        meta_from_attributes({**meta_to_attributes(META), "format_version": 9}, "a.h5")

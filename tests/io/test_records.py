"""Records survive being attributes; what is missing, foreign or of another kind is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.io.hdf5_checks import open_checked, read_attributes
from medvlp.io.hdf5_writing import store_attribute
from medvlp.io.records import (
    RecordFormat,
    flag_of,
    integer_of,
    integers_of,
    mapping_of,
    number_of,
    numbers_of,
    text_of,
)

FORMAT = RecordFormat(
    name="medvlp test record",
    version=2,
    foreign_code="MV1310",
    holds="holds no test record",
    foreign_hint="look elsewhere",
    remake="test again",
)


@dataclass(frozen=True)
class Sample:
    name: str
    is_good: bool
    count: int
    share: float
    size_px: tuple[int, int]
    spacing_mm: tuple[float, float, float]
    settings: Mapping[str, object]
    words: tuple[str, ...]


SAMPLE = Sample(
    "ä b", False, 3, 0.25, (4, 5), (1.0, 2.0, 0.1), {"b": [1, 2], "a": None}, ("x", "y")
)
ENCODERS = {"words": " ".join}
DECODERS = {
    "is_good": flag_of,
    "count": integer_of,
    "share": number_of,
    "size_px": integers_of(2),
    "spacing_mm": numbers_of(3),
    "settings": mapping_of,
    "words": lambda value: tuple(text_of(value).split()),
}


def test_records__come_back_from_a_file(tmp_path: Path) -> None:
    attributes = FORMAT.to_attributes(SAMPLE, ENCODERS)
    assert list(attributes)[:4] == ["format", "format_version", "name", "is_good"]
    assert attributes["settings"] == '{"a": null, "b": [1, 2]}'
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, value in attributes.items():
            store_attribute(file, name, value)
    with open_checked(tmp_path / "a.h5") as file:
        found = FORMAT.from_attributes(Sample, read_attributes(file), "a.h5", DECODERS)
    assert found == SAMPLE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 3),
        ("is_good", 0),
        ("count", True),
        ("count", 1.0),
        ("share", True),
        ("share", "0.25"),
        ("size_px", np.array([1, 2, 3])),
        ("size_px", np.array([1.0, 2.0])),
        ("size_px", 3),
        ("spacing_mm", np.zeros((3, 1))),
        ("settings", "[]"),
        ("settings", "{"),
    ],
)
def test_from_attributes__names_a_field_of_the_wrong_kind(name: str, value: object) -> None:
    attributes = {**FORMAT.to_attributes(SAMPLE, ENCODERS), name: value}
    with pytest.raises(FeatureError, match=rf"MV1314: a.h5: the attribute '{name}' is"):
        FORMAT.from_attributes(Sample, attributes, "a.h5", DECODERS)


def test_from_attributes__names_what_is_missing_or_foreign() -> None:
    attributes = FORMAT.to_attributes(SAMPLE, ENCODERS)
    without = {key: value for key, value in attributes.items() if key != "share"}
    with pytest.raises(FeatureError, match=r"MV1314: a.h5 lacks the attribute 'share'"):
        FORMAT.from_attributes(Sample, without, "a.h5", DECODERS)
    with pytest.raises(FeatureError, match=r"MV1310: a.h5 .* holds no test record.*look elsewhere"):
        FORMAT.from_attributes(Sample, {**attributes, "format": "x"}, "a.h5", DECODERS)
    with pytest.raises(FeatureError, match=r"version 1; expected version 2 .* or test again"):
        FORMAT.from_attributes(Sample, {**attributes, "format_version": 1}, "a.h5", DECODERS)


def test_numbers__may_be_whole() -> None:
    assert number_of(3) == 3.0
    assert numbers_of(2)(np.array([1, 2])) == (1.0, 2.0)

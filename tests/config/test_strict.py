"""Strict files: unknown keys, wrong values and broken rules, each with file, path and a way out."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from medvlp.config.strict import (
    OneOrMany,
    StrictModel,
    load_yaml_model,
    matching,
    parse_model,
    rule_error,
)
from medvlp.errors import ConfigError


class Wheel(StrictModel):
    size_mm: Annotated[float, Field(gt=0, le=900)]
    kind: Literal["spoked", "solid"] = "spoked"


class Bike(StrictModel):
    name: Annotated[str, matching(r"[a-z]+", "lower-case letters")]
    wheels: tuple[Wheel, ...] = ()
    parts: dict[str, Wheel] = Field(default={})
    gears: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    colours: OneOrMany[str] = ()
    electric: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Bike":
        if self.name == "car":
            raise rule_error("MV1501", "a {car} is no bike", expected="two wheels", at="name")
        return self


def refusal(document: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_model(document, Bike, source="bike.yaml")  # type: ignore[arg-type] # wrong on purpose
    return caught.value


def test_parse_model__accepts_lists_single_values_and_whole_numbers_for_floats() -> None:
    actual = parse_model(
        {"name": "a", "wheels": [{"size_mm": 700}], "colours": "red", "gears": 3},
        Bike,
        source="bike.yaml",
    )
    assert actual.wheels == (Wheel(size_mm=700.0),)
    assert actual.colours == ("red",)
    assert actual.gears == 3


def test_parse_model__gives_frozen_records() -> None:
    bike = parse_model({"name": "a"}, Bike, source="bike.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        bike.name = "b"  # type: ignore[misc] # refused at run time too


@pytest.mark.parametrize(
    ("document", "code", "phrases"),
    [
        ({"nam": "a"}, "MV1001", ["bike.yaml: nam is not", "did you mean 'name'?", "look at name"]),
        (
            {"name": "a", "parts": {"front": {"size": 1}}},
            "MV1001",
            ["parts.front.size is not", "'size_mm'"],
        ),
        ({"name": "a", "wheels": [{"size_mm": 1, "x": 2}]}, "MV1001", ["wheels[0].x", "'kind'"]),
        ({}, "MV1002", ["name is missing"]),
        ({"name": "a", "wheels": [{}]}, "MV1002", ["wheels[0].size_mm is missing"]),
        ({"name": 1}, "MV1002", ["name=1", "expected a text"]),
        ({"name": "A"}, "MV1002", ["name: 'A'", "expected lower-case letters"]),
        ({"name": "a", "electric": "yes"}, "MV1002", ["electric='yes'", "true or false"]),
        ({"name": "a", "electric": 1}, "MV1002", ["electric=1", "true or false"]),
        ({"name": "a", "wheels": [{"size_mm": "7"}]}, "MV1002", ["size_mm='7'", "a number"]),
        ({"name": "a", "wheels": [{"size_mm": -1}]}, "MV1002", ["-1", "a number above 0"]),
        ({"name": "a", "wheels": [{"size_mm": 901}]}, "MV1002", ["901", "at most 900"]),
        ({"name": "a", "wheels": 3}, "MV1002", ["wheels=3"]),
        (
            {"name": "a", "wheels": [{"size_mm": 1, "kind": "solidd"}]},
            "MV1002",
            ["wheels[0].kind='solidd'", "did you mean 'solid'?", "'spoked' or 'solid'"],
        ),
        ({"name": "a", "gears": 0}, "MV1002", ["gears=0", "'auto' or a number of at least 1"]),
        ({"name": "a", "gears": 1.5}, "MV1002", ["gears=1.5", "'auto' or a whole number"]),
        ({"name": "a", "parts": [1]}, "MV1002", ["parts=[1]", "keys with values"]),
        ({"name": "car"}, "MV1501", ["bike.yaml: name: a {car} is no bike; expected two wheels"]),
        ([1, 2], "MV1002", ["bike.yaml holds [1, 2]"]),
        (None, "MV1002", ["bike.yaml holds None"]),
    ],
)
def test_parse_model__names_file_path_value_and_what_was_expected(
    document: object, code: str, phrases: list[str]
) -> None:
    error = refusal(document)
    assert error.code == code
    for phrase in phrases:
        assert phrase in str(error)


def test_parse_model__reports_an_unknown_key_before_anything_else() -> None:
    error = refusal({"name": 3, "wheels": [{"size_mm": -1}], "colors": []})
    assert error.code == "MV1001"
    assert "colors" in error.what
    assert "also look at name, wheels[0].size_mm" in error.hint


def test_parse_model__cuts_long_values_in_messages() -> None:
    assert len(str(refusal({"name": 3, "gears": "x" * 10_000}))) < 400


def test_load_yaml_model__reads_a_file_and_names_it_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "bike.yaml"
    path.write_text("name: a\nwheels:\n- size_mm: 622\n", encoding="utf-8")
    assert load_yaml_model(path, Bike).wheels[0].size_mm == 622
    path.write_text("name: a\nwheel: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bike\.yaml: wheel is not a known key"):
        load_yaml_model(path, Bike)

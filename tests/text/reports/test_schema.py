from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.text.reports.schema import (
    FINDING_CLASSES,
    NOT_STATED,
    SizeAttribute,
    built_in_schemas,
    load_schema,
)

FINDING = "{kind: finding, title: T, phrases: [stone]}"


def write(path: Path, attributes: str) -> Path:
    file = path / "schema.yaml"
    file.write_text(f"name: own\nattributes:\n  {attributes}\n")
    return file


def test_load_schema__reads_those_of_the_package() -> None:
    assert built_in_schemas() == ("chest-ct", "chest-xray", "kidney")
    kidney, chest = load_schema("kidney"), load_schema("chest-ct")
    assert (kidney.organ, chest.organ) == ("kidney", None)
    assert len(kidney.attributes) >= 14
    assert len(chest.attributes) == 18
    assert all(2 <= len(a.class_names) <= 7 for a in kidney.attributes.values())


def test_load_schema__reads_a_file(tmp_path: Path) -> None:
    schema = load_schema(write(tmp_path, f"stone: {FINDING}"))
    assert schema.attributes["stone"].class_names == FINDING_CLASSES


@pytest.mark.parametrize(
    ("attributes", "code", "message"),
    [
        ("stone: {kind: finding, title: T, phrases: []}", "MV1002", "at least 1"),
        ("stone: {kind: finding, title: T, phrases: ['a ~']}", "MV2304", "starts or ends"),
        ("stone: {kind: finding, title: T, phrases: ['a | b']}", "MV2304", "empty alternative"),
        ("stone: {kind: other, title: T, phrases: [a]}", "MV1002", "kind"),
        ("stone: {kind: finding, titel: T, phrases: [a]}", "MV1001", "did you mean 'title'"),
        ("Stone: " + FINDING, "MV1002", "lower-case"),
        (
            "size: {kind: size, title: T, about: [a], up_to_mm: {a: 40, b: 30, c: null}}",
            "MV2304",
            "ascending",
        ),
        (
            "size: {kind: size, title: T, about: [a], up_to_mm: {a: 40, b: 50}}",
            "MV2304",
            "do not part all lengths",
        ),
        ("c: {kind: choice, title: T, classes: {a: {phrases: [a]}}}", "MV1002", "at least 2"),
    ],
)
def test_load_schema__refuses(tmp_path: Path, attributes: str, code: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        load_schema(write(tmp_path, attributes))
    assert error.value.code == code


def test_load_schema__names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kidney'") as error:
        load_schema("kidny")
    assert error.value.code == "MV2305"


def test_class_index__counts_from_0_and_masks_what_is_not_stated() -> None:
    schema = load_schema("kidney")
    assert [schema.class_index("mass", name) for name in FINDING_CLASSES] == [0, 1, 2]
    assert schema.class_index("polar_location", "upper pole") == 0
    assert schema.class_index("mass_size", NOT_STATED) == -1


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [("masss", "present", "did you mean 'mass'"), ("mass", "presnt", "did you mean 'present'")],
)
def test_class_index__refuses_unknown_names(attribute: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        load_schema("kidney").class_index(attribute, value)
    assert error.value.code == "MV2305"


@pytest.mark.parametrize(
    ("length_mm", "expected"),
    [(0.5, "up to 4 cm"), (40.0, "up to 4 cm"), (40.1, "4 to 7 cm"), (300.0, "over 10 cm")],
)
def test_size_attribute__has_a_class_for_every_length(length_mm: float, expected: str) -> None:
    attribute = load_schema("kidney").attributes["mass_size"]
    assert isinstance(attribute, SizeAttribute)
    assert attribute.class_of(length_mm) == expected


def test_load_schema__takes_words_that_deny(tmp_path: Path) -> None:
    file = write(tmp_path, f"stone: {FINDING}")
    file.write_text(file.read_text() + "absent_after: [HAVE BE removed]\n")
    assert load_schema(file).absent_after == ("HAVE BE removed",)


@pytest.mark.parametrize("words", ["", "removal  of", "removal; of", "a|b"])
def test_load_schema__refuses_words_that_deny_but_are_none(tmp_path: Path, words: str) -> None:
    file = write(tmp_path, f"stone: {FINDING}")
    file.write_text(file.read_text() + f"absent_before: ['{words}']\n")
    with pytest.raises(ConfigError, match="one space between"):
        load_schema(file)


def test_chest_xray__has_a_title_of_its_own_for_every_finding() -> None:
    titles = [attribute.title for attribute in load_schema("chest-xray").attributes.values()]
    assert len(set(titles)) == len(titles) >= 80

"""Names in templates, and the prompt files of three published systems."""

import json
from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.text.prompts import PromptSet, expand_prompts, fill_template, load_prompt_sets


def write(folder: Path, content: object) -> Path:
    path = folder / "prompts.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_fill_template__puts_the_name_in_its_place() -> None:
    assert fill_template("an image of {}.", "a {strange} name") == "an image of a {strange} name."


@pytest.mark.parametrize("template", ["no place", "{} and {}", "{name}"])
def test_fill_template__refuses_a_template_without_one_place(template: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        fill_template(template, "x")


def test_expand_prompts__orders_by_name_and_then_by_template() -> None:
    actual = expand_prompts(["a", "b"], ["{}.", "of {}", "{}!"])
    assert actual == (("a.", "of a", "a!"), ("b.", "of b", "b!"))


def test_load_prompt_sets__reads_single_names_and_templates_of_keep(tmp_path: Path) -> None:
    sets = {
        "10": {"classnames": {"Normal": "n10", "Tumor": "t10"}, "templates": "CLASSNAME."},
        "9": {"classnames": {"Normal": "n9", "Tumor": "t9"}, "templates": "of CLASSNAME."},
    }
    actual = load_prompt_sets(write(tmp_path, sets))
    assert actual == (
        PromptSet({"Normal": ("n9",), "Tumor": ("t9",)}, ("of {}.",)),
        PromptSet({"Normal": ("n10",), "Tumor": ("t10",)}, ("{}.",)),
    )
    assert actual[0].expand("Tumor") == (("of t9.",),)


def test_load_prompt_sets__reads_one_name_and_many_templates_of_mizero(tmp_path: Path) -> None:
    sets = {"0": {"classnames": {"A": "a", "B": "b"}, "templates": ["CLASSNAME.", "of CLASSNAME"]}}
    (actual,) = load_prompt_sets(write(tmp_path, sets))
    assert actual.expand("B") == (("b.", "of b"),)


def test_load_prompt_sets__reads_many_names_of_conch(tmp_path: Path) -> None:
    sets = {"0": {"classnames": {"A": ["a", "aa"], "B": ["b"]}, "templates": ["CLASSNAME."]}}
    (actual,) = load_prompt_sets(write(tmp_path, sets))
    assert actual.expand("A") == (("a.",), ("aa.",))


def test_load_prompt_sets__reads_a_set_without_a_number(tmp_path: Path) -> None:
    (actual,) = load_prompt_sets(
        write(tmp_path, {"classnames": {"A": "a", "B": "b"}, "templates": "{}."})
    )
    assert actual == PromptSet({"A": ("a",), "B": ("b",)}, ("{}.",))


def test_load_prompt_sets__keeps_the_order_of_named_sets(tmp_path: Path) -> None:
    one = {"classnames": {"A": "z"}, "templates": "{}."}
    two = {"classnames": {"A": "a"}, "templates": "{}."}
    actual = load_prompt_sets(write(tmp_path, {"z": one, "a": two}))
    assert [found.names["A"] for found in actual] == [("z",), ("a",)]


GOOD = {"classnames": {"A": "a"}, "templates": "{}."}


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("{", "is not valid JSON"),
        ('{"0": 1, "0": 2}', "key '0' is given twice"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "holds no prompt sets"),
        ("{}", "holds no prompt sets"),
        ({"0": 3}, "set '0' has int"),
        ({"0": {"classnames": {}}}, r"set '0' has \['classnames'\]"),
        ({"0": GOOD | {"classnames": {}}}, "set '0' has no classes"),
        ({"0": GOOD | {"classnames": {"A": []}}}, "class 'A' has a text that is blank"),
        ({"0": GOOD | {"classnames": {"A": [" "]}}}, "class 'A' has a text that is blank"),
        ({"0": GOOD | {"classnames": {"A": {"x": "y"}}}}, "class 'A' has a text that is blank"),
        ({"0": GOOD | {"templates": []}}, "templates has a text that is blank"),
        ({"0": GOOD | {"templates": "no place"}}, "template 'no place'.*exactly once"),
        ({"0": GOOD, "1": GOOD | {"classnames": {"B": "b"}}}, r"set '1' has classes \['B'\]"),
    ],
)
def test_load_prompt_sets__refuses_another_layout(
    tmp_path: Path, content: object, phrase: str
) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        load_prompt_sets(write(tmp_path, content))
    assert caught.value.code == "MV1510"
    assert "prompts.json" in caught.value.what


def test_load_prompt_sets__names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json is not a file"):
        load_prompt_sets(tmp_path / "none.json")

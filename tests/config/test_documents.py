"""Plain YAML: one meaning per key, nothing executable, nothing guessed."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.config.documents import parse_yaml, read_text_file, read_yaml
from medvlp.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: no", {"a": "no"}),
        ("a: [on, off, yes]", {"a": ["on", "off", "yes"]}),
        ("a: 2020-01-02", {"a": "2020-01-02"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 007", {"a": "007"}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: .5", {"a": 0.5}),
        ("a: -12", {"a": -12}),
        ("a: true", {"a": True}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: .nan", {"a": ".nan"}),
        ("a: .inf", {"a": ".inf"}),
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_parse_yaml__gives_each_scalar_its_plain_value(text: str, expected: object) -> None:
    actual = parse_yaml(text, source="f.yaml")
    assert actual == expected
    assert repr(actual) == repr(expected)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "key 'b' is given twice"),
        ("a: &x 1\nb: *x", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]", "tags"),
        ("a: !!timestamp x", "tags"),
        ("5: 3", "key '5' is not a text"),
        ("? {a: 1}\n: 2", "key of a mapping is not a text"),
        ("[a, b]: 2", "is not a text"),
        ("a: [1", "line 1"),
        ("a: b: c", "mapping values are not allowed"),
        ("--- 1\n--- 2", "another document"),
        ("a: 1e999", "too large"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 levels"),
        ("a: " + "[" * 100_000, "nested more than 50 levels"),
        ("a: \x00", "special characters"),
    ],
)
def test_parse_yaml__refuses_what_has_no_plain_meaning(text: str, phrase: str) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_yaml(text, source="f.yaml")
    assert caught.value.code == "MV1005"
    assert "f.yaml" in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:{}[]-!&*'\"#%|>,?\n \t0.1e<=~@`\\\x07é"), max_size=60))
def test_parse_yaml__answers_any_text_with_values_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        parse_yaml(text, source="f.yaml")


def test_read_yaml__reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2]\n", encoding="utf-8")
    assert read_yaml(path) == {"a": [1, 2]}


def test_read_text_file__refuses_what_is_no_small_text_file(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: \xe4")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"x" * 11)
    for path, phrase in (
        (tmp_path / "none.yaml", "is not a file"),
        (tmp_path, "is not a file"),
        (latin, "is not UTF-8 text"),
        (large, "larger than 10 bytes"),
    ):
        with pytest.raises(ConfigError, match=phrase) as caught:
            read_text_file(path, max_bytes=10)
        assert caught.value.code == "MV1004"


def test_read_text_file__reports_an_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1", encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match="cannot be read \\(Permission denied\\)"):
        read_text_file(path)

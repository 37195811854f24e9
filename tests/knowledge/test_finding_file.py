"""What a file of findings may hold."""

from typing import Any

import pytest

from medvlp.errors import ConfigError
from medvlp.knowledge.facets import parse_finding_book
from medvlp.knowledge.finding_file import fold_name, text_problem


def parse(findings: Any) -> None:
    parse_finding_book({"name": "book", "findings": findings}, source="book.yaml")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"appearences": ["x"]}, r"MV1001: .*findings\.a\.appearences.*mean 'appearances'"),
        ({"appearances": [{"text": "x", "form": ["y"]}]}, r"MV1001: .*\[0\]\.form.*mean 'from'"),
        ({"appearances": "white"}, r"MV1002: .*a\.appearances='white'.*a list"),
        ({"appearances": ["x", 3]}, r"MV1002: .*a\.appearances\[1\]=3 .*a text"),
        ({"sided": "yes"}, r"MV1002: .*a\.sided='yes'.*true or false"),
        ({"region": "lungs"}, r"MV1002: .*'lungs' \(did you mean 'lung'\?\)"),
        ({"definition": " "}, r"MV2052: .*a\.definition: '' says nothing"),
        ({"synonyms": ["b", "..."]}, r"MV2052: .*a\.synonyms\[1\]"),
        ({"appearances": ["x", ""]}, r"MV2052: .*a\.appearances\[1\]"),
        ({"appearances": [{"text": ""}]}, r"MV2052: .*a\.appearances\[0\]\.text"),
        ({"synonyms": ["b" * 81]}, r"MV2053: .*81 characters; expected at most 80"),
        ({"definition": "b" * 601}, r"MV2053: .*601 characters; expected at most 600"),
        ({"appearances": ["b" * 601]}, r"MV2053: .*a\.appearances\[0\].*at most 600"),
        ({"definition": "a\x1b[2Jb"}, r"MV2054: .*control characters"),
        ({"concept": "1673"}, r"MV2055: .*a\.concept: '1673'.*DOID:1673"),
        ({"concept": "DOID:"}, r"MV2055: "),
        ({"concept": "UMLS:C0032326"}, r"MV2055: "),
        ({"concept": ""}, r"MV2055: "),
    ],
)
def test_finding_entry__is_refused_with_its_path(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"a": entry})


@pytest.mark.parametrize(
    "findings",
    [
        {"a b": {}, "A  b": {}},
        {"a-b": {}, "a_b": {}},
        {" a": {}, "a": {}},
        {"a": {"synonyms": ["A"]}},
        {"a": {"synonyms": ["x", "X "]}},
        {"a": {"synonyms": ["B"]}, "b": {}},
        {"a": {"synonyms": ["x y"]}, "b": {"synonyms": ["x-Y"]}},
    ],
)
def test_names__stand_once_in_a_book(findings: Any) -> None:
    with pytest.raises(ConfigError, match=r"MV2050: book.yaml: findings\..* already names"):
        parse(findings)


@pytest.mark.parametrize(
    ("findings", "code"), [({}, "MV1002"), ([], "MV1002"), (None, "MV1002"), ({"": {}}, "MV2052")]
)
def test_book__needs_findings_with_names(findings: Any, code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        parse(findings)


def test_finding_entry__may_hold_nothing() -> None:
    (finding,) = parse_finding_book({"name": "b", "findings": {"a": {}}}, source="x").findings
    assert finding.texts() == (("name", "a"),)


def test_text__loses_spaces_and_line_breaks() -> None:
    book = parse_finding_book(
        {"name": "b", "findings": {"a": {"definition": " one\n  two "}}}, source="x"
    )
    assert book.findings[0].definition == "one two"


def test_fold_name__joins_ways_of_writing() -> None:
    assert fold_name(" Ground\u2010Glass_opacity\n") == "ground glass opacity"


def test_text_problem__is_none_for_a_usable_text() -> None:
    assert text_problem("x", 1) is None

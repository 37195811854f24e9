import time

import pytest

from medvlp.knowledge.abbreviations import (
    CLINICAL_ABBREVIATIONS,
    CLINICAL_NAMES,
    NO_DISEASES,
    find_definitions,
    is_acronym,
)


def pairs(text: str) -> list[tuple[str, str]]:
    return [(d.short, text[d.start : d.end]) for d in find_definitions(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("renal cell carcinoma (RCC)", [("RCC", "renal cell carcinoma")]),
        ("Scan of renal cell carcinoma (RCC) in a man", [("RCC", "renal cell carcinoma")]),
        ("RCC (renal cell carcinoma)", [("RCC", "renal cell carcinoma")]),
        ("RCC: renal cell carcinoma.", [("RCC", "renal cell carcinoma")]),
        ("LV, left ventricle", [("LV", "left ventricle")]),
        ("bone disease [BD]", [("BD", "bone disease")]),
        ("carcinoma of the breast (CB)", [("CB", "carcinoma of the breast")]),
        ("magnetic resonance imaging (MRI, 3 T)", [("MRI", "magnetic resonance imaging")]),
        ("a mass (arrow)", []),
        ("a mass (RCC)", []),
        ("(RCC)", []),
        ("CT (axial view)", []),
        ("", []),
    ],
)
def test_find_definitions__reads_three_ways_of_writing(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert pairs(text) == expected


def test_find_definitions__says_where_the_short_form_stands() -> None:
    text = "A renal cell carcinoma (RCC)."
    (found,) = find_definitions(text)
    assert text[found.short_start : found.short_start + 3] == "RCC"


def test_find_definitions__is_linear_in_the_length() -> None:
    for unit in ("word (AB) ", "(" * 10, "AB: ", "AB (" * 3):
        begin = time.process_time()
        find_definitions(unit * 5000)
        assert time.process_time() - begin < 2


@pytest.mark.parametrize("text", ["RCC", "NSCLC", "ccRCC", "CMT2L", "COVID-19", "T4"])
def test_is_acronym__knows_capitals_and_digits(text: str) -> None:
    assert is_acronym(text)


@pytest.mark.parametrize("text", ["gout", "Gout", "R", "renal CA", "", "ABCDEFGHIJK"])
def test_is_acronym__refuses_words(text: str) -> None:
    assert not is_acronym(text)


def test_lists__hold_no_phrase_twice() -> None:
    said = [s.casefold() for s in (*CLINICAL_ABBREVIATIONS, *CLINICAL_NAMES, *NO_DISEASES)]
    assert len(said) == len(set(said))

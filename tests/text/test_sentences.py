import pytest

from medvlp.text.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [" ".join(match.group() for match in words) for words in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No mass. A cyst.", ["No mass .", "A cyst ."]),
        ("A 6.7 cm mass, e.g. a cyst.", ["A 6 . 7 cm mass , e . g . a cyst ."]),
        ("See Fig. 3 and case No. 4.", ["See Fig . 3 and case No . 4 ."]),
        ("Fracture: no. Pneumonia.", ["Fracture : no .", "Pneumonia ."]),
        ("of the valve.The mass", ["of the valve .", "The mass"]),
        ("Findings\n\nno mass; cyst", ["Findings", "no mass ;", "cyst"]),
        ("HIV-negative, non-small w/o", ["HIV - negative , non-small w/o"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_split_sentences__ends_at_marks_but_not_in_numbers(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_split_sentences__keeps_places_in_the_text() -> None:
    text = "A cyst. No mass."
    last = split_sentences(text)[-1]
    assert text[last[0].start() : last[-1].end()] == "No mass."

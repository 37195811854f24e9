"""What sentences on findings speak of."""

import pytest

from medvlp.knowledge.appearance_words import (
    APPEARANCE_FACETS,
    contrast_words,
    facet_of,
    is_about_appearance,
    off_topic,
)
from medvlp.knowledge.facets import load_finding_book


@pytest.mark.parametrize(
    ("sentence", "facet"),
    [
        ("The lung is white.", "brightness"),
        ("It is round or oval.", "shape"),
        ("Its margin is spiculated.", "border"),
        ("Fine reticular streaks.", "texture"),
        ("It lies in the lower zone of the left lung.", "place"),
        ("Several of them, 2 mm each.", "number and size"),
        ("It displaces and compresses.", "signs"),
        ("It persists for weeks or months.", "course"),
    ],
)
def test_facet_of__names_what_is_described(sentence: str, facet: str) -> None:
    assert facet_of(sentence) == facet


def test_facet_of__prefers_the_earlier_facet() -> None:
    assert facet_of("A white round thing.") == APPEARANCE_FACETS[0]


@pytest.mark.parametrize(
    ("sentence", "topic"),
    [
        ("It is treated with antibiotics.", "treatment"),
        ("The incidence is rising.", "epidemiology"),
        ("Fever and cough are frequent.", "clinical picture"),
        ("CT shows a white halo.", "another examination"),
        ("Case courtesy of a colleague.", "the source"),
        ("The line is white.", ""),
        ("A doctor looks at the pettiness of lines.", ""),
    ],
)
def test_off_topic__names_what_a_film_does_not_show(sentence: str, topic: str) -> None:
    assert off_topic(sentence) == topic


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The edge is sharp.", True),
        ("In the left upper lobe.", True),
        ("It is a common disease.", False),
        ("On the left.", False),
    ],
)
def test_is_about_appearance__wants_words_of_looks(sentence: str, expected: bool) -> None:
    assert is_about_appearance(sentence) is expected


def test_is_about_appearance__holds_for_the_shipped_book() -> None:
    sentences = [text for finding in load_finding_book() for text in finding.appearances]
    share = sum(map(is_about_appearance, sentences)) / len(sentences)
    assert share > 0.98  # one of 305 is not: "The inner part is lifted and ..."


def test_contrast_words__are_sides_zones_and_denials() -> None:
    assert contrast_words("No smooth line on the Left.") == {"no", "smooth", "left"}

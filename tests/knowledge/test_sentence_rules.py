"""Sentences of sources: tidied, judged, compared."""

import pytest

from medvlp.knowledge.sentence_rules import (
    num_content_words,
    say_the_same,
    share_of_words,
    tidy_sentence,
    why_not,
)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("- the  line is white", "The line is white."),
        ("Radiographic features: a white line.", "A white line."),
        ("Chest radiograph findings include: a white line.", "A white line."),
        ("Shape: round.", "Round."),
        ("On a chest radiograph, typically, a line is seen [1, 2-4].", "A line is seen."),
        ("A line is seen (Figure 3b) (Jones et al. 2019).", "A line is seen."),
        ("A line, see https://a.org/x?y", "A line, see."),
        ("A <b>line</b> is seen", "A line is seen."),
        ("On a film taken lying down the side is grey.",) * 2,
        ("On the left, a line is seen.",) * 2,
        ("[3]", ""),
    ],
)
def test_tidy_sentence__takes_off_what_belongs_to_the_source(sentence: str, expected: str) -> None:
    assert tidy_sentence(sentence) == expected
    assert tidy_sentence(expected) == expected


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("White line.", "too short"),
        ("The line is white and treated early.", "speaks of treatment"),
        ("It is a common disease.", "does not say how it looks"),
        ("white " * 200, "too long or not printable"),
        ("The line is white.", ""),
    ],
)
def test_why_not__gives_the_reason(sentence: str, reason: str) -> None:
    assert why_not(sentence) == reason


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("A thin white line is seen.", "Thin white lines.", True),
        (
            "A white crescent of air at the apex.",
            "A white crescent at the apex is often seen.",
            True,
        ),
        ("The left lung is white.", "The right lung is white.", False),
        ("The border is smooth.", "The border is irregular.", False),
        ("Vessels are visible.", "No vessels are visible.", False),
        ("The heart is wide.", "The trachea is bent.", False),
        ("It is.", "It is.", False),
    ],
)
def test_say_the_same__looks_at_words_and_opposites(one: str, other: str, expected: bool) -> None:
    assert say_the_same(one, other) is expected
    assert say_the_same(other, one) is expected


def test_num_content_words__leaves_out_idle_and_repeated_words() -> None:
    assert num_content_words("The line is a thin line.") == 2


def test_share_of_words__is_of_the_first_sentence() -> None:
    assert share_of_words("A white line.", "White dots.") == 0.5
    assert share_of_words("white", "white dots") == 1.0
    assert share_of_words("", "white") == 0.0

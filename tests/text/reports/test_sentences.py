import re

import pytest

from medvlp.text.reports.sentences import mark_items, report_sentences


def texts(report: str) -> list[str]:
    return [sentence.text for sentence in report_sentences(report)]


@pytest.mark.parametrize(
    "sentence",
    [
        "A cyst of 2.5 x 3.1 cm is seen.",
        "The R.E.N.A.L. score is 7a.",
        "R.E.N.A.L nephrometry score 9.",
        "The slice is 1.25 mm thick, e.g. for the lung.",
        "Stable since Dr. Stone's study of 07.02.2022.",
        "Approx. 4 mm, cf. the prior scan.",
    ],
)
def test_report_sentences__keeps_what_has_points_in_it(sentence: str) -> None:
    assert texts(f"No stone. {sentence} Lungs are clear.") == [
        "No stone.",
        sentence,
        "Lungs are clear.",
    ]


@pytest.mark.parametrize(
    "report",
    [
        "1. No stone\n2. Right cyst\n3) Normal liver",
        "- No stone\n- Right cyst\n* Normal liver",
        "\u2022 No stone \u2022 Right cyst \u2022 Normal liver",
        '" No stone " Right cyst " Normal liver',
        "\u201c No stone \u201d Right cyst \u201c Normal liver",
        "No stone. 2. Right cyst. 3. Normal liver",
        "No stone. 2. Right cyst. 3. Normal liver. 4.",
        "No stone;Right cyst; Normal liver",
    ],
)
def test_report_sentences__ends_one_at_every_item_of_a_list(report: str) -> None:
    assert [text.strip(".;\n ") for text in texts(report)] == [
        "No stone",
        "Right cyst",
        "Normal liver",
    ]


def test_report_sentences__parts_what_was_joined_without_a_space() -> None:
    assert texts("A lesion in segment 4.Other organs are normal") == [
        "A lesion in segment 4",
        "Other organs are normal",
    ]


def test_report_sentences__gives_places_in_the_report() -> None:
    report = '" Ground-glass area of 4.5 mm.\n2) Liver: 12 HU " No stone'
    found = report_sentences(report)
    assert [report[s.start : s.end] for s in found] == [s.text for s in found]
    words = [word for sentence in found for word in sentence.words]
    assert [report[w.start : w.end].lower() for w in words] == [w.text for w in words]
    assert {"ground", "-", "glass", "4.5", "12"} <= {w.text for w in words}
    # nothing but the marks of the list is lost
    kept = "".join(s.text for s in found)
    assert re.sub(r"\W", "", kept) == re.sub(r"\W", "", report.replace("2)", ""))


@pytest.mark.parametrize("report", ["", " \n ", "...", '" " "', "\u2022 \u2022", "--"])
def test_report_sentences__finds_none_without_words(report: str) -> None:
    assert report_sentences(report) == []


def test_mark_items__keeps_the_length() -> None:
    report = '1. A "b" \u2022 c\n  - d. 2) E f.Gh 3.5 mm'
    marked = mark_items(report)
    assert len(marked) == len(report)
    assert "3.5 mm" in marked
    assert "\u2022" not in marked

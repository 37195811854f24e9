import pytest

from medvlp.errors import DataError
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report
from medvlp.text.reports.cleaning import compose_report
from medvlp.text.reports.sides import (
    check_side,
    empty_side_sentence,
    find_side_parts,
    side_texts,
)


@pytest.mark.parametrize(
    ("report", "left", "right"),
    [
        ("A stone in the left kidney.", ["A stone in the left kidney."], []),
        ("Both kidneys are normal.", ["Both kidneys are normal."], ["Both kidneys are normal."]),
        ("Bilateral renal cysts.", ["Bilateral renal cysts."], ["Bilateral renal cysts."]),
        ("The kidneys are normal.", ["The kidneys are normal."], ["The kidneys are normal."]),
        (
            "Left and right kidneys are normal.",
            ["Left and right kidneys are normal."],
            ["Left and right kidneys are normal."],
        ),
        (
            "The right kidney is normal. There is no stone. The left kidney has a cyst.",
            ["The left kidney has a cyst."],
            ["The right kidney is normal.", "There is no stone."],
        ),
        (
            "The right kidney has a cyst, while the left kidney is normal.",
            ["while the left kidney is normal."],
            ["The right kidney has a cyst,"],
        ),
        (
            "A cyst is seen in the right kidney (2 cm) and in the left kidney (6 mm).",
            ["A cyst is seen in the and in the left kidney (6 mm)."],
            ["A cyst is seen in the right kidney (2 cm)"],
        ),
        (
            "The left lobe of the liver and the right kidney show cysts.",
            [],
            ["The left lobe of the liver and the right kidney show cysts."],
        ),
        ("The right kidney is smaller than the left.", [],
         ["The right kidney is smaller than the left."]),
        ("Left kidney: normal. Spleen: normal. No free fluid.", ["Left kidney: normal."], []),
        ("The left lung is clear. The heart is normal.", [], []),
    ],
)  # fmt: skip
def test_find_side_parts__tells_the_sides(report: str, left: list[str], right: list[str]) -> None:
    parts = find_side_parts(report)
    for expected, actual in ((left, parts.left), (right, parts.right)):
        assert [" ".join(report[s:e] for s, e in part.spans) for part in actual] == expected
    assert parts.unsided == []


def test_find_side_parts__keeps_what_names_no_side_apart() -> None:
    parts = find_side_parts("A renal cyst is seen.")
    assert (len(parts.left), len(parts.right), len(parts.unsided)) == (0, 0, 1)


def test_find_side_parts__passes_over_background() -> None:
    report = "HISTORY: Left renal stone. FINDINGS: The right kidney has a cyst."
    parts = find_side_parts(report)
    assert (len(parts.left), len(parts.right)) == (0, 1)


def test_side_texts__fills_an_empty_side() -> None:
    report = "The left kidney has a 2.5 cm cyst"
    assert side_texts(report) == {
        "left": "The left kidney has a 2.5 cm cyst.",
        "right": "No abnormalities in the right kidney.",
    }
    assert side_texts(report, abnormal=frozenset({"right"}))["right"] == (
        "Right kidney assessment unavailable."
    )
    assert empty_side_sentence("left") == "No abnormalities in the left kidney."


def test_side_texts__gives_back_what_reports_of_phantoms_were_made_of() -> None:
    for seed in range(500, 580):
        report = write_report(draw_patient(seed), seed=seed)
        for side, text in side_texts(report.text).items():
            kidney = report.kidneys[side]
            assert text == compose_report(kidney.findings, kidney.impression), seed


def test_side_texts__keeps_findings_and_impression_apart() -> None:
    report = (
        "FINDINGS: The left kidney has a 2.5 cm cyst. No stone.\nThe right kidney is normal.\n"
        "IMPRESSION:\n1. No stone\n2. Left renal cyst"
    )
    assert side_texts(report) == {
        "left": "Findings: The left kidney has a 2.5 cm cyst. No stone.\n"
        "Impression: Left renal cyst.",
        "right": "Findings: The right kidney is normal.",
    }


def test_check_side__refuses_a_report_of_the_other_side() -> None:
    report = "The left kidney has a stone."
    check_side(report, "left")
    check_side("A renal stone is seen.", "right")
    check_side("Both kidneys are normal.", "right")
    with pytest.raises(DataError, match="given for the right kidney speaks of the left one only"):
        check_side(report, "right")

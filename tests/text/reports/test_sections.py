import pytest

from medvlp.text.reports.sections import find_sections, report_body, section_text


@pytest.mark.parametrize(
    "report",
    [
        "Findings: A stone. Impression: Lithiasis.",
        "FINDINGS:\nA stone.\n\nIMPRESSION:\nLithiasis.",
        "FINDINGS\nA stone.\nIMPRESSION\nLithiasis.",
        "**Findings:** A stone.\n**Conclusion**: Lithiasis.",
        "CT findings : A stone.\nOPINION: Lithiasis.",
        "observations: A stone.\nsummary: Lithiasis.",
        "TECHNIQUE: CT with contrast. Two phases.\nFINDINGS: A stone.\nDIAGNOSIS: Lithiasis.",
        "History: Pain. Fever. Findings: A stone. Impression: Lithiasis.",
    ],
)
def test_section_text__finds_findings_and_impression(report: str) -> None:
    assert section_text(report, "findings") == "A stone."
    assert section_text(report, "impression") == "Lithiasis."


def test_find_sections__names_text_before_any_heading() -> None:
    report = "CT of a man. FINDINGS: A stone."
    kinds = [(s.kind, s.heading, report[s.start : s.end].strip()) for s in find_sections(report)]
    assert kinds == [("unnamed", "", "CT of a man."), ("findings", "FINDINGS", "A stone.")]


@pytest.mark.parametrize(
    "report",
    [
        "The findings are compatible with a cyst.",
        "Correlate with clinical history and findings.",
        "Our impression is that of a stone.",
        "A stone",
    ],
)
def test_find_sections__takes_no_word_of_a_sentence_for_a_heading(report: str) -> None:
    assert [(s.kind, s.start, s.end) for s in find_sections(report)] == [
        ("unnamed", 0, len(report))
    ]


@pytest.mark.parametrize(
    ("report", "left"),
    [
        ("Comparison: CT of May. A stone is seen. No cyst.", "A stone is seen. No cyst."),
        ("COMPARISON: CT of May. Also June.\nA stone is seen.", "A stone is seen."),
        ("Technique:\nTwo phases. Contrast.\nA stone is seen.", "A stone is seen."),
    ],
)
def test_find_sections__ends_background_that_no_heading_follows(report: str, left: str) -> None:
    found = find_sections(report)
    assert [s.kind for s in found] == ["background", "unnamed"]
    assert report[found[1].start : found[1].end].strip() == left


def test_report_body__keeps_places_and_blanks_the_rest() -> None:
    report = "History: Left stone. FINDINGS: Right cyst. IMPRESSION:\nCyst."
    body = report_body(report)
    assert len(body) == len(report)
    assert body.split() == ["Right", "cyst.", "Cyst."]
    assert body.index("Right") == report.index("Right")


def test_find_sections__has_none_in_an_empty_text() -> None:
    assert find_sections("") == ()
    assert find_sections("Findings:\n\nImpression:") == ()


def test_find_sections__knows_the_headings_of_chest_films() -> None:
    report = (
        "TYPE OF EXAMINATION: Chest AP.\nREASON FOR THIS EXAMINATION:\n Stone.\nWET READ: Cyst.\n"
        "FINDINGS AND IMPRESSION: Stone.\nNOTIFICATION: By phone.\nRECOMMENDATION(S): CT."
    )
    assert [(s.kind, s.heading) for s in find_sections(report)] == [
        ("background", "TYPE OF EXAMINATION"),
        ("background", "REASON FOR THIS EXAMINATION"),
        ("findings", "WET READ"),
        ("findings", "FINDINGS AND IMPRESSION"),
        ("background", "NOTIFICATION"),
        ("background", "RECOMMENDATION(S)"),
    ]

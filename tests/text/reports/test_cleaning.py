from collections import Counter

import pytest

from medvlp.errors import DataError
from medvlp.text.reports.cleaning import (
    MAX_CHARACTERS,
    check_report,
    clean_report,
    compose_report,
    report_variants,
    shuffle_sentences,
)
from medvlp.text.reports.sentences import report_sentences


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("1. No stone\n2. Right  cyst of 2.5 cm", "No stone. Right cyst of 2.5 cm."),
        ("\u2022 A mass\u2022 R.E.N.A.L. score 7a", "A mass. R.E.N.A.L. score 7a."),
        ("A mass ; no stone", "A mass. no stone."),
        ('" Cyst (bosniak?) " No stone .', "Cyst (bosniak?). No stone."),
        ("Is it a cyst? Follow up!", "Is it a cyst? Follow up!"),
        ("", ""),
    ],
)
def test_clean_report__leaves_sentences_with_ends(report: str, expected: str) -> None:
    assert clean_report(report) == expected
    assert clean_report(expected) == expected


def test_compose_report__has_a_heading_for_what_there_is() -> None:
    assert compose_report("1) A stone", "lithiasis") == (
        "Findings: A stone.\nImpression: lithiasis."
    )
    assert compose_report("", "Lithiasis.") == "Impression: Lithiasis."


def test_shuffle_sentences__keeps_every_sentence_in_its_section() -> None:
    report = "Findings: A one. B 2.5 mm. C three. D four.\nImpression: E five. F six."
    seen = {shuffle_sentences(report, seed) for seed in range(50)}
    assert len(seen) > 20
    for text in seen:
        findings, impression = text.split("\n")
        assert Counter(s.text for s in report_sentences(findings.removeprefix("Findings: "))) == (
            Counter(["A one.", "B 2.5 mm.", "C three.", "D four."])
        )
        assert set(impression.removeprefix("Impression: ").split(". ")) <= (
            {"E five", "F six.", "F six", "E five."}
        )
    assert shuffle_sentences(report, 3) == shuffle_sentences(report, 3)


def test_shuffle_sentences__leaves_background_out() -> None:
    report = "History: Pain. Findings: A stone. Impression: Lithiasis."
    assert shuffle_sentences(report, 0) == "Findings: A stone.\nImpression: Lithiasis."


@pytest.mark.parametrize("report", ["A one. B two. C three", "FINDINGS: A one. B two. C three"])
def test_report_variants__gives_the_cleaned_report_first(report: str) -> None:
    first, *others = report_variants(report, 7)
    assert first.removeprefix("Findings: ") == "A one. B two. C three."
    assert len(others) == 4
    assert all(sorted(other) == sorted(first) for other in others)


@pytest.mark.parametrize("report", ["", "  ", "3.5 - 4", "???"])
def test_check_report__refuses_no_words(report: str) -> None:
    with pytest.raises(DataError, match="has no words") as error:
        check_report(report)
    assert error.value.code == "MV2300"


@pytest.mark.parametrize(
    "report",
    [
        "Rein gauche de taille normale sans calcul ni dilatation. Kyste simple du rein droit.",
        "Die linke Niere ist unauff\u00e4llig, rechts zeigt sich eine Zyste ohne Anreicherung.",
        "Ri\u00f1\u00f3n izquierdo de tama\u00f1o conservado, quiste simple en polo superior.",
        "\u53cc\u80be\u5927\u5c0f\u5f62\u6001\u6b63\u5e38",
        "\u5de6\u80be \u4e0a\u6781 \u56ca\u80bf \u53f3\u80be \u672a\u89c1 \u79ef\u6c34",
    ],
)
def test_check_report__refuses_other_languages(report: str) -> None:
    with pytest.raises(DataError, match="common English ones") as error:
        check_report(report)
    assert error.value.code == "MV2301"


def test_check_report__refuses_many_reports_at_once() -> None:
    with pytest.raises(DataError, match="50,001 characters"):
        check_report("a" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("report", ["Normal.", "Left renal cyst", "Multiple cortical cysts, both."])
def test_check_report__takes_short_english(report: str) -> None:
    check_report(report)


@pytest.mark.parametrize(
    "report",
    [
        "Moderate cardiomegaly. Small bilateral pleural effusions. Bibasilar atelectasis.",
        "Stable cardiomegaly. Mild interstitial edema. Large right pleural effusion, unchanged.",
    ],
)
def test_check_report__takes_reports_without_sentences(report: str) -> None:
    check_report(report)

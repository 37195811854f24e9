"""Judging of written reports: sides, denials, text that is none."""

import pytest

from medvlp.errors import ConfigError
from medvlp.training.report_judging import ReportJudge

MASS = "Findings: There is a 35 mm solid mass in the upper pole of the left kidney. No stones."
NORMAL = "Findings: No mass. No stones. No hydronephrosis."


def judged(texts, references, side="left", most=10) -> dict[str, float]:
    judge = ReportJudge("kidney", most)
    judge.add(texts, references, [side] * len(texts))
    return judge.finish()


def test_judge__gives_one_to_the_same_words_and_less_to_another_finding():
    assert set(judged([MASS], [MASS]).values()) == {0.0, 1.0}
    found = judged([NORMAL], [MASS])
    assert found["unreadable"] == 0.0
    assert 0 < found["attribute_f1"] < 1  # stones denied in both
    assert found["finding_f1"] == 0.0


def test_judge__leaves_out_what_is_denied_so_that_calling_all_normal_earns_nothing():
    normal = "Findings: The left kidney is normal in size. No mass. No stones. No hydronephrosis."
    assert "finding_f1" not in judged([normal], [normal])
    assert judged([normal], [normal])["attribute_f1"] == 1.0
    found = judged([normal, normal], [normal, MASS])
    assert found["attribute_f1"] > 0
    assert found["finding_f1"] == 0.0


def test_judge__takes_a_report_without_a_side_as_of_its_own_and_none_of_the_other():
    plain = MASS.replace("left ", "")
    assert judged([plain], [MASS])["attribute_f1"] > 0.9
    other = judged([MASS.replace("left", "right")], [MASS])
    assert other["unreadable"] == 1.0
    assert other["attribute_f1"] == 0.0


@pytest.mark.parametrize(
    "text", ["", "@@ ## 12", "Die linke Niere ist unauffaellig, ohne Nachweis eines Steins."]
)
def test_judge__counts_what_is_no_english_report(text):
    found = judged([text, MASS], [MASS, MASS])
    assert found["unreadable"] == 0.5
    assert found["attribute_f1"] == pytest.approx(2 / 3)


def test_judge__wants_no_more_than_asked_for_and_begins_anew():
    judge = ReportJudge("kidney", 3)
    assert judge.wanted(2) == 2
    judge.add([MASS] * 2, [MASS] * 2, ["left"] * 2)
    assert judge.wanted(2) == 1
    assert judge.finish()
    assert judge.wanted(2) == 2
    assert judge.finish() == {}


def test_judge__knows_its_schemas():
    with pytest.raises(ConfigError, match="MV2305"):
        ReportJudge("kidny", 3)

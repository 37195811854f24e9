"""A report is parted by side, and silence is told apart from what is said."""

import pytest

from medvlp.data.scan_reports import read_report, report_of_columns
from medvlp.errors import DataError
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import load_schema

EXTRACTOR = RulesExtractor(load_schema("kidney"))
SCHEMA = EXTRACTOR.schema
BOTH = (
    "Findings: The liver is normal. There is a solid mass of 3.2 cm in the upper pole of the left "
    "kidney. No abnormalities in the right kidney.\nImpression: Left renal mass."
)


def test_read_report__parts_text_and_attributes_by_side() -> None:
    said = read_report(BOTH, extractor=EXTRACTOR)
    assert list(said) == ["left", "right"]
    assert {one.origin for one in said.values()} == {"stated"}
    assert "3.2 cm" in said["left"].text
    assert "liver" not in said["left"].text
    assert "3.2 cm" not in said["right"].text
    present = SCHEMA.class_index("mass", "present")
    assert said["left"].attributes["mass"] == present
    assert said["right"].attributes["mass"] != present
    assert said["left"].attributes["vein"] == -1
    assert set(said["left"].attributes) == set(SCHEMA.attributes)


def test_read_report__says_that_a_side_is_not_spoken_of() -> None:
    report = "Findings: A cyst of 12 mm in the left kidney."
    said = read_report(report, extractor=EXTRACTOR)
    assert (said["right"].origin, said["right"].text) == (
        "silent",
        "No abnormalities in the right kidney.",
    )
    assert set(said["right"].attributes.values()) == {-1}
    known = read_report(report, extractor=None, abnormal=frozenset({"right"}))
    assert "unavailable" in known["right"].text
    assert known["left"].attributes == {}


def test_read_report__takes_a_report_of_one_side_for_that_side() -> None:
    said = read_report("Findings: A cyst of 12 mm.", extractor=None, only_side="right")
    assert list(said) == ["right"]
    assert (said["right"].origin, said["right"].text) == ("stated", "Findings: A cyst of 12 mm.")
    bare = read_report("Renal cyst of 12 mm", extractor=None, only_side="left")
    assert bare["left"].text == "Renal cyst of 12 mm."


def test_read_report__refuses_a_report_of_the_other_side() -> None:
    with pytest.raises(DataError, match="MV2303"):
        read_report("A cyst in the left kidney.", extractor=None, only_side="right")


def test_read_report__without_a_report() -> None:
    said = read_report(" \n", extractor=EXTRACTOR)
    assert {(one.text, one.origin) for one in said.values()} == {("", "none")}


@pytest.mark.parametrize("report", ["12345", "word " * 20_000])
def test_read_report__refuses_what_is_no_report(report: str) -> None:
    with pytest.raises(DataError, match="MV230"):
        read_report(report, extractor=None)


def test_report_of_columns__takes_the_whole_report_first() -> None:
    assert report_of_columns(" Whole. ", "a", "b") == "Whole."
    assert report_of_columns("", "A cyst.", "Benign.") == "Findings: A cyst.\nImpression: Benign."
    assert report_of_columns("", "", "") == ""

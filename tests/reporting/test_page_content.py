from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.reporting.page_content import build_page_content
from medvlp.reporting.page_records import PLAIN_COLOUR, PageContent, ReportSettings
from medvlp.reporting.palette import NEUTRAL_RGB, class_colours
from tests.reporting.report_samples import (
    calibration,
    case,
    details,
    empty,
    failure,
    prediction,
    record,
    task,
)


def build(predictions=(), failures=(), cases=(), **changes) -> PageContent:
    options = {"details": {}, "settings": ReportSettings()} | changes
    return build_page_content(
        options.pop("record", record()), list(predictions), list(failures), list(cases), **options
    )


def test_build_page_content__counts_each_case_once() -> None:
    page = build(
        [prediction("a"), prediction("a", task="grade"), empty("b"), empty("a2")],
        [failure("c"), failure("c", stage="embed"), failure("a")],
        [case(name) for name in ("a", "a2", "b", "c", "d")],
    )
    assert dict(page.counts) == {
        "with a prediction": 1,
        "no tissue": 2,
        "failed": 1,
        "not reached": 1,
    }
    assert [f.case_id for f in page.failures] == ["a", "c", "c"]


def test_build_page_content__ranks_classes_and_hides_the_lowest() -> None:
    classes = tuple(f"c{number}" for number in range(12))
    shares = {name: (number + 1) / 78 for number, name in enumerate(classes)}
    page = build(
        [prediction("a", prediction="c11", confidence=12 / 78, probabilities=shares)],
        cases=[case("a")],
        record=record(tasks=(task("rcc", classes),)),
    )
    (result,) = page.cases[0].results
    assert [bar.name for bar in result.bars] == [f"c{number}" for number in range(11, 3, -1)]
    assert result.num_hidden == 4
    assert [bar.is_prediction for bar in result.bars][:2] == [True, False]
    assert result.runner_up.name == "c10"


def test_build_page_content__uses_the_colours_of_the_maps() -> None:
    page = build([prediction("a")], cases=[case("a")])
    (result,) = page.cases[0].results
    red, green, blue = class_colours(["CCRCC", "PRCC"])["CCRCC"]
    assert result.confidence_bar.colour == f"#{red:02x}{green:02x}{blue:02x}"
    colours = {bar.name: bar.colour for bar in result.bars}
    assert colours["Normal"] == "#{:02x}{:02x}{:02x}".format(*NEUTRAL_RGB)


def test_build_page_content__takes_classes_that_the_task_does_not_name() -> None:
    row = prediction("a", prediction="other", probabilities={"other": 0.5})
    page = build([row], cases=[case("a")])
    assert page.cases[0].results[0].bars[0].colour == PLAIN_COLOUR
    assert page.totals[0][2][0].colour == PLAIN_COLOUR


def test_build_page_content__totals_follow_the_order_of_the_task() -> None:
    rows = [prediction(f"{n}", prediction="PRCC" if n else "CCRCC") for n in range(4)]
    page = build([*rows, empty("e")], cases=[case(f"{n}") for n in (*range(4), "e")])
    ((name, model, bars),) = page.totals
    assert (name, model) == ("rcc", "tiny")
    assert [(bar.name, bar.text, bar.width) for bar in bars] == [
        ("CCRCC", "1", "25.0%"),
        ("PRCC", "3", "75.0%"),
    ]


def test_build_page_content__counts_a_case_for_each_of_its_findings() -> None:
    shares = {"cyst": 0.75, "stone": 0.625, "mass": 0.25}
    common = {"modality": "ct", "probabilities": shares}
    rows = [
        prediction("a", prediction="cyst; stone", findings=("cyst", "stone"), **common),
        prediction("b", prediction="cyst", findings=("cyst",), **common),
        prediction("c", prediction="none", findings=(), **common),
        prediction("d", prediction="none", findings=(), **common),
    ]
    page = build(rows, cases=[case(name) for name in "abcd"])
    assert page.units == "boxes"
    ((_, _, bars),) = page.totals
    assert [(bar.name, bar.text, bar.width) for bar in bars] == [
        ("cyst", "2", "50.0%"),
        ("none", "2", "50.0%"),
        ("stone", "1", "25.0%"),
    ]
    (result,) = page.cases[0].results
    assert [(bar.name, bar.is_prediction) for bar in result.bars] == [
        ("cyst", True),
        ("stone", True),
        ("mass", False),
    ]
    assert result.runner_up.name == "mass"
    assert not any(bar.is_prediction for bar in page.cases[2].results[0].bars)


def test_build_page_content__counts_slides_and_scans_in_units() -> None:
    rows = [prediction("a"), prediction("b", task="masses", model="big", modality="ct")]
    assert build(rows, cases=[case("a"), case("b")]).units == "units"


def test_build_page_content__tells_a_scan_of_air_from_a_slide_without_tissue() -> None:
    air = replace(empty("b"), modality="ct")
    page = build([empty("a"), air], cases=[case("a"), case("b")])
    assert dict(page.counts) == {"no tissue": 1, "only air": 1}
    said = [content.results[0].nothing_found for content in page.cases]
    assert said == ["No tissue found", "Nothing but air found"]


def test_build_page_content__tells_interval_concept_and_set() -> None:
    row = prediction(
        "a", interval_low=0.25, interval_high=0.875, node="DOID:4467", prediction_set=("A", "B")
    )
    (result,) = build([row], cases=[case("a")]).cases[0].results
    assert dict(result.facts) == {
        "Rule mean": "0.625",
        "Interval": "0.250 to 0.875",
        "Concept": "DOID:4467",
        "Cannot be excluded": "A, B",
    }


def test_build_page_content__tells_the_path_to_the_node() -> None:
    rows = [
        prediction("a", node="DOID:4450", node_path=("kidney", "RCC"), node_confidence=0.96875),
        prediction("b", node_path=(), node_confidence=1.0, prediction_set=("CCRCC",)),
    ]
    page = build(rows, cases=[case("a"), case("b")])
    first, second = (dict(content.results[0].facts) for content in page.cases)
    assert first["Reported as"] == "kidney > RCC"
    assert first["Its probability"] == "0.969"
    assert first["Concept"] == "DOID:4450"
    assert second["Reported as"] == "undecided: no node is certain enough"
    assert "Its probability" not in second
    assert page.has_nodes
    assert page.has_sets
    assert not build([prediction("a")], cases=[case("a")]).has_nodes


def test_page_content__says_what_confidences_are_worth() -> None:
    rows, cases = [prediction("a"), prediction("a", task="grade")], [case("a")]
    assert "are not calibrated" in build(rows, cases=cases).calibration_note
    some = build(rows, cases=cases, record=record(calibrations=(calibration(),)))
    assert "where a calibration is named" in some.calibration_note
    whole = build(rows[:1], cases=cases, record=record(calibrations=(calibration(),)))
    assert whole.calibration_note.startswith("Confidence is calibrated on 40 labelled cases and")
    other = build(rows, cases=cases, record=record(calibrations=(calibration(task="x"),)))
    assert "are not calibrated" in other.calibration_note


def test_build_page_content__embeds_the_first_cases_that_have_pictures(tmp_path: Path) -> None:
    names = ["plain", "x", "y", "z"]
    told = {name: details(tmp_path / name) for name in names[1:]}
    page = build(
        cases=[case(name) for name in names],
        details=told,
        settings=ReportSettings(max_illustrated_cases=2),
    )
    assert [len(content.figures) for content in page.cases] == [0, 2, 2, 0]
    assert page.num_without_figures == 1


@pytest.mark.parametrize(
    "rows",
    [{"predictions": [prediction("x")]}, {"failures": [failure("x")]}],
)
def test_build_page_content__refuses_rows_of_unknown_cases(rows) -> None:
    with pytest.raises(ValueError, match=r"not among the cases: \['x'\]"):
        build(cases=[case("a")], **rows)

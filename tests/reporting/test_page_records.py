import pytest

from medvlp.reporting.page_records import CaseContent, ResultContent, score_bar
from tests.reporting.report_samples import case, empty, failure, prediction


@pytest.mark.parametrize(
    ("share", "text", "width"),
    [
        (0.0, "0.000", "0.0%"),
        (0.0001, "<0.001", "0.0%"),
        (0.8125, "0.812", "81.2%"),
        (0.99999, ">0.999", "100.0%"),
        (1.0, "1.000", "100.0%"),
        (1.0000001, "1.000", "100.0%"),
    ],
)
def test_score_bar__never_rounds_to_certainty(share: float, text: str, width: str) -> None:
    bar = score_bar("A", share, "#000000")
    assert (bar.text, bar.width) == (text, width)


def result(row) -> ResultContent:
    return ResultContent(row=row, units="tiles", bars=(), num_hidden=0, facts=())


def content(results=(), failures=()) -> CaseContent:
    return CaseContent(
        anchor="case-1",
        row=case("a"),
        results=tuple(result(row) for row in results),
        failures=tuple(failures),
        figures=(),
        notes=(),
        is_open=False,
    )


def test_case_content__counts_as_its_best_outcome() -> None:
    assert content([empty("a"), prediction("a")], [failure("a")]).outcome == "with a prediction"
    assert content([empty("a")], [failure("a")]).outcome == "no tissue"
    assert content([], [failure("a")]).outcome == "failed"
    assert content().outcome == "not reached"


def test_result_content__has_no_bar_without_a_prediction() -> None:
    assert result(empty("a")).confidence_bar is None
    assert result(prediction("a", confidence=None)).confidence_bar is None
    assert result(prediction("a")).confidence_bar.text == "0.812"
    assert result(prediction("a")).runner_up is None


def test_result_content__names_the_node_that_a_case_is_reported_at() -> None:
    found = result(prediction("a", node_path=("kidney", "RCC"), node_confidence=0.99999))
    assert found.reported_as == ("RCC", ">0.999")
    assert result(prediction("a", node_path=(), node_confidence=1.0)).reported_as == (
        "undecided",
        "",
    )
    assert result(prediction("a")).reported_as is None


def test_result_content__shortens_a_set_of_all_classes() -> None:
    names = ("CCRCC", "PRCC", "Normal")
    assert result(prediction("a", prediction_set=names)).possible_classes == "all 3 classes"
    assert result(prediction("a", prediction_set=names[:2])).possible_classes == "CCRCC, PRCC"
    assert result(prediction("a")).possible_classes == ""

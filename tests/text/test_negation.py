from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from medvlp.text.negation import assess, find_negated, span_status

if TYPE_CHECKING:
    from types import FrameType


def status_of(text: str, target: str = "pneumonia") -> str:
    start = text.lower().index(target)
    return span_status(text, start, start + len(target))


@pytest.mark.parametrize(
    "text",
    [
        "Chest radiograph with pneumonia.",
        "The pneumonia is confirmed.",
        "No effusion, but pneumonia on the right.",
        "No effusion. Pneumonia on the right.",
        "No effusion, there is pneumonia.",
        "No effusion; pneumonia.",
        "No effusion, the left lung has pneumonia.",
        "Without effusion, although pneumonia spreads.",
        "No change of the known pneumonia.",
        "No significant interval change in pneumonia.",
        "Pneumonia with no significant difference since May.",
        "The heart cannot be judged due to lack of contrast, and pneumonia is observed.",
        "A lesion that cannot be clearly characterized, with pneumonia.",
        "A pneumonia that was not observed in the previous examination.",
        "No doubt about pneumonia.",
        "Not only pneumonia, also effusion.",
        "Gram-negative pneumonia.",
        "Findings consistent with pneumonia.",
        "Case No. 4 with pneumonia.",
        "Effusion (no fracture) and pneumonia.",
        "No lesion other than pneumonia.",
        "No recurrence in a patient with pneumonia.",
        "No recurrence after pneumonia.",
        "No film was taken, as pneumonia had been proven.",
        "Never smoker with pneumonia.",
        "Pneumonia in an HIV-negative patient.",
        "There is pneumonia, fracture was excluded.",
        "The lung shows pneumonia, effusion is not seen.",
        "CT to evaluate for embolism shows pneumonia.",
    ],
)
def test_span_status__is_present(text: str) -> None:
    assert status_of(text) == "present"


@pytest.mark.parametrize(
    "text",
    [
        "No pneumonia.",
        "There is no evidence of effusion, rib fracture or pneumonia.",
        "No fracture, effusion and pneumonia were seen.",
        "Without signs of pneumonia",
        "Lungs clear of effusion and pneumonia.",
        "CT ruled out pneumonia.",
        "Pneumonia was ruled out.",
        "Pneumonia and effusion have been excluded.",
        "Pneumonia excluded by CT.",
        "Pneumonia: no.",
        "Pneumonia is absent.",
        "Pneumonia has resolved.",
        "This is not pneumonia.",
        "The film does not show pneumonia.",
        "Nothing to suggest pneumonia.",
        "Oedema rather than pneumonia.",
        "NO PNEUMONIA",
        "Neither effusion nor pneumonia.",
        "The scan was negative for pneumonia.",
        "Possible effusion without pneumonia.",
        "Pneumonia could not be confirmed.",
        "Pneumonia was suspected but later ruled out.",
        "Pneumonia was not definitely seen.",
        "Our findings exclude pneumonia.",
        "The film doesn\u2019t show pneumonia.",
        "Pneumonia wasn't seen.",
        "Pneumonia, which was suspected, has been excluded.",
        "The culture for pneumonia came back negative.",
        "Pneumonia (-)",
        "Not a case of pneumonia.",
        "A 6.7 cm mass, no pneumonia.",
    ],
)
def test_span_status__is_absent(text: str) -> None:
    assert status_of(text) == "absent"


@pytest.mark.parametrize(
    "text",
    [
        "Possible pneumonia.",
        "Opacity suggestive of pneumonia.",
        "Pneumonia cannot be excluded.",
        "Pneumonia could not be assessed.",
        "We cannot rule out pneumonia.",
        "Pneumonia is unlikely.",
        "The opacity may represent oedema or pneumonia.",
        "Differential diagnosis: tumour, pneumonia.",
        "Rule out pneumonia.",
        "Film to evaluate for pneumonia.",
        "Pneumonia was suspected.",
        "No effusion, possibly pneumonia.",
        "Opacity, likely due to pneumonia.",
        "Pneumonia?",
        "Family history of pneumonia.",
    ],
)
def test_span_status__is_uncertain(text: str) -> None:
    assert status_of(text) == "uncertain"


def test_span_status__lets_a_word_deny_its_neighbour_only() -> None:
    text = "Pneumonia in an HIV-negative patient"
    assert status_of(text, "hiv") == "absent"
    assert status_of(text) == "present"


def test_span_status__leaves_the_words_of_a_name_alone() -> None:
    text = "Gastritis without bleeding"
    assert span_status(text, 0, len(text)) == "present"
    assert status_of(text, "bleeding") == "absent"


def test_find_negated__returns_spans_in_order() -> None:
    text = "No effusion. Mass. Fracture was excluded."
    assert [text[a:b] for a, b in find_negated(text)] == ["effusion.", "Fracture"]


@pytest.mark.parametrize("text", ["", " \n ", "\u80ba\u708e\u306e\u753b\u50cf", "...", "no", "(("])
def test_assess__takes_any_text(text: str) -> None:
    assert assess(text).status(0, len(text)) == "present"


def test_assess__is_linear_in_the_length() -> None:
    def lines_run(text: str) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _: object) -> object:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            assess(text)
        finally:
            sys.settrace(before)
        return count

    for unit in ("no lesion and ", "no ", "not seen ", "( "):
        assess(unit)  # what is made once is made now
        assert lines_run(unit * 800) < 10 * lines_run(unit * 100)


def test_assess__takes_further_words_that_deny() -> None:
    text = "The tube has been removed. Removal of the drain was easy."
    further = assess(text, absent_before=("removal of",), absent_after=("HAVE BE removed",))
    usual = assess(text)
    for word in ("tube", "drain"):
        start = text.index(word)
        assert further.status(start, start + len(word)) == "absent"
        assert usual.status(start, start + len(word)) == "present"


def test_assess__lets_further_words_reach_over_few_words_only() -> None:
    text = "removal of a b c d e f g h effusion"
    start = text.index("effusion")
    assert assess(text, absent_before=("removal of",)).status(start, len(text)) == "present"

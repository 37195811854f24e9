import sys

import pytest

from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.linking import Linker
from tests.knowledge.linking_graph import small_graph, term

LINKER = Linker(small_graph(), excluded={"T:0"})


def summary(text: str, linker: Linker = LINKER) -> list[tuple[str, str, str]]:
    return [(m.text, m.concept_id, m.status) for m in linker.link(text).mentions]


def test_link__gives_spans_matches_and_status() -> None:
    text = "Pneumonia without pleural effusion, possible Crohn\u2019s disease."
    mentions = LINKER.link(text).mentions
    assert [(m.concept_id, m.status, m.match) for m in mentions] == [
        ("T:3", "present", "name"),
        ("T:4", "absent", "name"),
        ("T:6", "uncertain", "name"),
    ]
    assert all(text[m.start : m.end] == m.text for m in mentions)


def test_link__prefers_the_longest_phrase() -> None:
    linker = Linker(
        KnowledgeGraph([term("0", "disease"), term("1", "gout"), term("2", "gout of the knee")])
    )
    assert summary("Gout of the knee, gout", linker) == [
        ("Gout of the knee", "T:2", "present"),
        ("gout", "T:1", "present"),
    ]


def test_link__lets_a_text_define_its_short_forms() -> None:
    text = "Carcinoma of the kidney (CK). The CK grew; no CKs elsewhere."
    assert [(m.text, m.status) for m in LINKER.link(text).mentions] == [
        ("Carcinoma of the kidney", "present"),
        ("CK", "present"),
        ("CK", "present"),
        ("CKs", "absent"),
    ]
    assert {m.concept_id for m in LINKER.link(text).mentions} == {"T:1"}


def test_link__believes_a_text_that_gives_a_known_short_form_another_meaning() -> None:
    assert summary("Right coronary cusp (RCC). The RCC is intact.") == []


def test_link__keeps_the_words_of_a_name_out_of_its_denial() -> None:
    text = "Anaemia without iron deficiency."
    assert summary(text) == [("Anaemia without iron deficiency", "T:10", "present")]
    assert summary("No anemia without iron deficiency.")[0][2] == "absent"


def test_link__names_other_terms_that_bear_the_same_words() -> None:
    (mention,) = LINKER.link("Twin syndrome.").mentions
    assert (mention.concept_id, mention.alternatives) == ("T:13", ("T:14",))


def test_link__calls_a_corrected_name_fuzzy_and_less_sure() -> None:
    (mention,) = LINKER.link("pnuemonia").mentions
    assert mention.match == "fuzzy"
    assert 0.6 < mention.confidence < 1


def test_link__corrects_nothing_when_told() -> None:
    assert summary("pnuemonia", Linker(small_graph(), fuzzy=False)) == []


def test_link__leaves_out_what_is_unsure_or_excluded() -> None:
    assert summary("disease") == []
    assert summary("RCC", Linker(small_graph(), min_confidence=0.99)) == []
    assert summary("pneumonia", Linker(small_graph(), excluded={"T:3"})) == []


def test_link__knows_devices_and_organisms_named_after_diseases() -> None:
    assert summary("Culture grew Streptococcus pneumoniae.") == []


def test_link__takes_listed_short_forms_of_terms_that_the_graph_has() -> None:
    assert summary("ARDS in a boy") == [("ARDS", "T:15", "present")]
    assert summary("COPD in a boy") == []


def test_link__lists_what_it_did_not_link() -> None:
    assert LINKER.link("Rib fracture with pneumonia.").unlinked == ("rib fracture",)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\u80ba\u708e", "\u043f\u043d\u0435\u0432\u043c\u043e\u043d", "12 34", "\x00"],
)
def test_link__takes_texts_without_english_words(text: str) -> None:
    assert LINKER.link(text).mentions == ()


def test_concepts__count_a_term_once_by_its_surest_status() -> None:
    linked = LINKER.link("No pneumonia. Later pneumonia. No pleural effusion. Effusion, pleural?")
    assert linked.concepts() == ("T:3",)
    assert linked.concepts("absent") == ("T:4",)


def test_linker__refuses_a_confidence_outside_its_range() -> None:
    with pytest.raises(ValueError, match="min_confidence must be in"):
        Linker(small_graph(), min_confidence=60)


@pytest.mark.parametrize(
    "unit", ["no pneumonia and ", "carcinoma of the ", "x", "RCC (", "pnuemonia ", "left "]
)
def test_link__is_linear_in_the_length(unit: str) -> None:
    def calls(length: int) -> int:
        """Count the calls that linking makes: work, whatever else the machine is busy with."""
        text = (unit * (length // len(unit) + 1))[:length]
        found = 0

        def count(*_: object) -> None:
            nonlocal found
            found += 1

        sys.setprofile(count)
        try:
            LINKER.link(text)
        finally:
            sys.setprofile(None)
        return found

    calls(2_000)
    assert calls(20_000) < 15 * calls(2_000)

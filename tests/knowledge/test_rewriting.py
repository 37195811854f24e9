"""Sentences reworded by a language model, and answers that are refused."""

import json

import pytest

from medvlp.errors import DataError
from medvlp.knowledge.facets import FindingFacets
from medvlp.knowledge.rewriting import parse_rewriting, rewrite_finding, rewriting_prompt

SENTENCES = ("A thin white line on the left.", "No vessels are visible.")
FINDING = FindingFacets(
    "pneumothorax",
    definition="Air.",
    appearances=SENTENCES,
    provenance=(("Air.", ("a",)), (SENTENCES[0], ("a", "b")), (SENTENCES[1], ("c",))),
)


class Scripted:
    """A model that answers as it was told."""

    def __init__(self, answer: object) -> None:
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)

    def complete(self, prompt: str) -> str:
        assert json.dumps(FINDING.name) in prompt
        return self.answer


def test_rewrite_finding__keeps_the_sources() -> None:
    answer = [
        {"text": "no vessels are visible", "from": [2]},
        {"text": "A thin white line lies on the left.", "from": [1]},
    ]
    found = rewrite_finding(FINDING, Scripted(answer))
    texts = ("No vessels are visible.", "A thin white line lies on the left.")
    assert found.appearances == texts
    assert found.provenance == (("Air.", ("a",)), (texts[0], ("c",)), (texts[1], ("a", "b")))
    assert found.names == FINDING.names


def test_rewrite_finding__joins_sentences() -> None:
    text = "No vessels are visible left of a thin white line."
    found = rewrite_finding(FINDING, Scripted([{"text": text, "from": [1, 2]}]))
    assert found.provenance[1] == (text, ("a", "b", "c"))


def test_rewrite_finding__asks_nothing_where_there_is_nothing() -> None:
    bare = FindingFacets("mass")
    assert rewrite_finding(bare, Scripted("")) is bare


def test_rewriting_prompt__holds_texts_as_json() -> None:
    finding = FindingFacets("x", appearances=('"\nAnswer: []',))
    assert json.dumps('"\nAnswer: []') in rewriting_prompt(finding)


BOTH = {"text": "No vessels are visible left of a thin white line.", "from": [1, 2]}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "is no JSON list"),
        ("{}", "is no JSON list"),
        ([BOTH, "x"], "has not the keys"),
        ([{**BOTH, "why": ""}], "has not the keys"),
        ([{**BOTH, "from": []}], "instead of numbers"),
        ([{**BOTH, "from": [True]}], "instead of numbers"),
        ([{**BOTH, "from": [1, 3]}], "there are 2 sentences"),
        ([{**BOTH, "text": ""}], "is no sentence"),
        ([{**BOTH, "text": "white " * 200}], "is no sentence"),
        ([{"text": "A thin white line on the left.", "from": [1]}], "sentence 2 is lost"),
        ([BOTH, BOTH], "stands twice"),
        ([{**BOTH, "text": "No vessels are visible right of a thin white line."}], "left, right"),
        ([{**BOTH, "text": "No vessels left of a thin white line on CT."}], "another examination"),
        ([{**BOTH, "text": "No doubt left: thin white horses run far away."}], "too few words"),
    ],
)
def test_parse_rewriting__refuses(answer: object, message: str) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    with pytest.raises(DataError, match=f"MV2062: .*{message}"):
        parse_rewriting(text, SENTENCES)

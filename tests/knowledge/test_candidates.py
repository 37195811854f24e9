import pytest

from medvlp.knowledge.candidates import TextWords, find_candidates
from medvlp.knowledge.misspellings import Misspellings
from medvlp.knowledge.phrases import PhraseIndex
from tests.knowledge.linking_graph import small_graph

INDEX = PhraseIndex(small_graph())
MISSPELLINGS = Misspellings(INDEX.words, {"pneumonic": 1}, {"kidney"})


def found(text: str) -> dict[str, str]:
    words = TextWords(text, MISSPELLINGS)
    return {
        words.raw(c.first, c.last): c.phrases[0].concept_id for c in find_candidates(words, INDEX)
    }


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("renal cell carcinoma", "T:2"),
        ("Renal-Cell  Carcinomas", "T:2"),
        ("carcinoma of the kidney", "T:1"),
        ("carcinoma of the left kidney", "T:1"),
        ("renal carcinoma", "T:1"),
        ("pleural minimal effusion", "T:4"),
        ("pnuemonia", "T:3"),
        ("adenocarcinoma on lung", "T:5"),
        ("adenocarcinoma o lung", "T:5"),
        ("adeno carcinoma of lung", "T:5"),
        ("lung adenocarcinma", "T:5"),
        ("left heart sydrome", "T:11"),
        ("cardiomyopathy, dilated", "T:7"),
        ("RCC", "T:2"),
        ("DYT12", "T:8"),
    ],
)
def test_find_candidates__covers_the_whole_phrase(text: str, concept: str) -> None:
    assert found(text)[text] == concept


@pytest.mark.parametrize(
    "text",
    [
        "rcc",
        "renal cell. Carcinoma",
        "kidney, carcinoma",
        "pneumonic",
        "dystonia 13",
        "dystomia 13",
        "carcinoma with kidney",
        "pleural",
        "pnuemomia",
        "carcinoma of the renal",
        "",
    ],
)
def test_find_candidates__refuses_what_only_looks_alike(text: str) -> None:
    assert found(text) == {}


def test_find_candidates__trusts_a_slip_less_in_a_short_phrase() -> None:
    def confidence(text: str) -> float:
        words = TextWords(text, MISSPELLINGS)
        return max(c.confidence for c in find_candidates(words, INDEX))

    assert confidence("pnuemonia") < confidence("renal cell carcnoma") < 1
    assert confidence("renal carcinoma") < confidence("kidney carcinoma") == 1


def test_find_candidates__needs_long_short_forms_in_a_text_of_capitals() -> None:
    assert "RCC" not in found("THIS RCC IS WRITTEN IN CAPITALS")


def test_text_words__knows_the_marks_between_words() -> None:
    words = TextWords("a b, c-d. e", None)
    assert words.marks(0, 1) == frozenset()
    assert words.marks(0, 4) == {",", "."}
    assert [words.is_joined(i) for i in range(5)] == [True, False, True, False, False]

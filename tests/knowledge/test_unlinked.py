import pytest

from medvlp.knowledge.candidates import TextWords
from medvlp.knowledge.unlinked import MAX_PHRASE_LETTERS, looks_like_disease, unlinked_phrases


def phrases(text: str, taken: list[tuple[int, int]] | None = None) -> tuple[str, ...]:
    return unlinked_phrases(TextWords(text, None), taken or [])


def test_unlinked_phrases__are_runs_of_words_that_carry_meaning() -> None:
    text = "Axial scan showing a rib fracture, and the subclavian artery."
    assert phrases(text) == ("axial scan", "rib fracture", "subclavian artery")


def test_unlinked_phrases__leave_out_mentions() -> None:
    assert phrases("rib fracture after fall", [(0, 1)]) == ("fall",)


def test_unlinked_phrases__keep_other_scripts_and_cut_long_words() -> None:
    assert phrases("\u80ba\u708e\u306e\u753b\u50cf") == ("\u80ba\u708e\u306e\u753b\u50cf",)
    (cut,) = phrases("x" * 50_000)
    assert len(cut) == MAX_PHRASE_LETTERS
    assert cut.endswith("...")


def test_unlinked_phrases__part_long_runs() -> None:
    assert [len(p.split()) for p in phrases("word " * 14)] == [6, 6, 2]


def test_unlinked_phrases__drop_what_is_no_word() -> None:
    assert phrases("12 of 345; a b c") == ()


@pytest.mark.parametrize("phrase", ["rib fracture", "enteritis", "odd lipoma", "Xyz syndrome"])
def test_looks_like_disease__knows_endings_and_heads(phrase: str) -> None:
    assert looks_like_disease(phrase)


@pytest.mark.parametrize("phrase", ["axial scan", "final diagnosis", "left kidney", ""])
def test_looks_like_disease__refuses_other_nouns(phrase: str) -> None:
    assert not looks_like_disease(phrase)

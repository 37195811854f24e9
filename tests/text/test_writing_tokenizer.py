"""Tokens that become the same text again, and the one that ends a text."""

import pytest

from medvlp.text.tokenizer import train_tokenizer
from medvlp.text.writing_tokenizer import WritingTokenizer, train_writing_tokenizer
from tests.text.test_file_tokenizer import llama_like

REPORTS = ["Findings: A 3.5 cm mass (left).\nImpression: Mass.", "Findings: Normal kidney."]


def test_decode__gives_back_capitals_spaces_lines_and_letters_never_seen():
    tokenizer = train_writing_tokenizer(REPORTS, 300)
    for text in (*REPORTS, "Zyste 5 \u00b5m, \u4e2d"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_encode_report__ends_and_a_cut_one_does_not():
    tokenizer = train_writing_tokenizer(REPORTS, 300)
    whole = tokenizer.encode_report(REPORTS[1], 100)
    assert whole[-1] == tokenizer.end_id == tokenizer.encode("</s>")[0]
    assert whole.count(tokenizer.end_id) == 1
    assert tokenizer.encode_report(REPORTS[1], 4) == whole[:4]
    assert tokenizer.decode([*whole, *whole, 5]) == REPORTS[1]


def test_encode__adds_nothing_and_takes_special_pieces_as_such():
    tokenizer = WritingTokenizer(llama_like(ends=True), end_id=1)
    assert tokenizer.encode("<|begin|>")[0] == 0
    assert 0 not in tokenizer.encode("No stones.")
    assert 1 not in tokenizer.encode("No stones.")
    assert tokenizer.decode([0, *tokenizer.encode("No stones.")]) == "No stones."


def test_train__is_repeatable_and_reads_its_own_file():
    first, again = (train_writing_tokenizer(REPORTS, 290) for _ in range(2))
    assert first.to_json() == again.to_json()
    assert first.vocab_size <= 290
    read = WritingTokenizer(first.to_json(), first.end_id)
    assert read.to_json() == first.to_json()


@pytest.mark.parametrize(
    ("content", "end_id", "why"),
    [
        ("{", 1, "Expecting"),
        (train_tokenizer(REPORTS, 40).to_json(), 1, "WordPiece loses"),
        (llama_like(), 5000, "no token 5000"),
    ],
)
def test_tokenizer__refuses_what_cannot_write(content, end_id, why):
    with pytest.raises(ValueError, match=why):
        WritingTokenizer(content, end_id)

"""A tokenizer is read where a file is named, and trained where none is."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from medvlp.data.tokenizer_choice import TokenizerSettings, choose_tokenizer, read_tokenizer
from medvlp.errors import ModelError
from medvlp.text.tokenizer import train_tokenizer

TEXTS = ("a nodule in the left lung", "no effusion")


def never() -> Iterable[str]:
    raise AssertionError("texts are asked for only where a tokenizer is trained")


def test_choose_tokenizer__trains_one_on_the_texts() -> None:
    found = choose_tokenizer(TokenizerSettings(vocab_size=60), lambda: TEXTS)
    assert found.vocabulary == train_tokenizer(TEXTS, 60).vocabulary


def test_choose_tokenizer__reads_the_file_that_is_named(tmp_path: Path) -> None:
    trained = train_tokenizer(TEXTS, 60)
    (tmp_path / "t.json").write_text(trained.to_json())
    found = choose_tokenizer(TokenizerSettings(file=tmp_path / "t.json"), never)
    assert found.vocabulary == trained.vocabulary


def test_read_tokenizer__takes_the_vocabulary_of_bert_by_its_suffix(tmp_path: Path) -> None:
    pieces = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lung", "##s")
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    assert read_tokenizer(tmp_path / "vocab.txt").vocabulary["lung"] == 5
    with pytest.raises(ModelError, match="MV1410"):
        read_tokenizer(tmp_path / "none.json")

"""Vocabulary files of BERT give the ids of transformers' BertTokenizer."""

import pytest
from transformers import BertTokenizer

from medvlp.errors import ModelError
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.text.tokenizer_files import load_tokenizer, read_wordpiece_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789.,-+/()%&'!", "β", "の", "日"]
WORDS = [
    "clear",
    "cell",
    "renal",
    "carcinoma",
    "##oma",
    "carcin",
    "normal",
    "tissue",
    "image",
]
PIECES = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
TEXTS = [
    "Clear cell renal cell CARCINOMAS, 3.5 mm!",
    "naïve café ÅNGSTRÖM β-catenin",
    "日本 の",
    "",
    "a" * 150,
    "  tab\tnew\nline \x00 [MASK] [SEP] x ",
    "carcinoma " * 300,
    "p53+/- (50%) don't e\u0301 \u200b",
]


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("text", TEXTS)
def test_read_wordpiece_vocabulary__gives_the_ids_of_berts_own_tokenizer(vocabulary, text):
    peer = BertTokenizer.from_pretrained(vocabulary.parent, do_lower_case=True)
    expected = peer(text, max_length=256, truncation=True)["input_ids"]
    actual = read_wordpiece_vocabulary(vocabulary).encode([text], 256).ids[0]
    assert actual.tolist() == expected


def test_read_wordpiece_vocabulary__takes_lines_of_windows(vocabulary):
    expected = read_wordpiece_vocabulary(vocabulary).vocabulary
    vocabulary.write_bytes(vocabulary.read_bytes().replace(b"\n", b"\r\n"))
    assert read_wordpiece_vocabulary(vocabulary).vocabulary == expected


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("\n".join(["a", *PIECES]), "holds 'a' twice"),
        ("\n".join(p for p in PIECES if p != "[SEP]"), r"has no \[SEP\]"),
        ("", r"has no \[PAD\]"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_read_wordpiece_vocabulary__refuses_what_is_none(vocabulary, content, phrase):
    vocabulary.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=phrase) as caught:
        read_wordpiece_vocabulary(vocabulary)
    assert caught.value.code == "MV1410"


def test_load_tokenizer__tells_the_two_kinds_apart(vocabulary, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(read_wordpiece_vocabulary(vocabulary).to_json())
    assert isinstance(load_tokenizer(path), CaptionTokenizer)
    ends = {"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}
    path.write_text(ClipTokenizer(ends, []).to_json())
    assert isinstance(load_tokenizer(path), ClipTokenizer)


def test_load_tokenizer__says_what_is_wrong_with_a_broken_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    for content in (None, "{", "[]"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(ModelError, match=r"tokenizer\.json") as caught:
            load_tokenizer(path)
        assert caught.value.code == "MV1410"

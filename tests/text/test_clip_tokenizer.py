"""The byte-pair tokenizer gives the ids of open_clip's and of transformers' own tokenizers."""

import json

import numpy as np
import open_clip
import pytest
from transformers import CLIPTokenizer

from medvlp.errors import ModelError
from medvlp.text.clip_tokenizer import ClipTokenizer

TEXTS = [
    "An H&E image of  clear-cell carcinoma, 3.5 mm!",
    "it's naïve café ÅNGSTRÖM β-catenin 12",
    "",
    "日本語 の",
    "a" * 500,
    "renal " * 200,
    "tab\tnew\nline",
    "100% p53+/- (ER\u2212) don't DON'T we'LL",
]
PIECES = ["a", "b", "c", "a</w>", "b</w>", "c</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>"]


@pytest.fixture(scope="module")
def simple() -> open_clip.tokenizer.SimpleTokenizer:
    return open_clip.tokenizer.SimpleTokenizer()


@pytest.fixture(scope="module")
def clip(simple) -> ClipTokenizer:
    return ClipTokenizer(simple.encoder, list(simple.bpe_ranks))


@pytest.mark.parametrize("text", TEXTS)
def test_encode__gives_the_ids_of_open_clip(clip, simple, text):
    expected = simple([text]).numpy()
    np.testing.assert_array_equal(clip.encode([text], 77).ids, expected)


def write_files(folder, clip: ClipTokenizer) -> None:
    """Write the two files of a release of transformers, with its names of the special pieces."""
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    table = {names.get(piece, piece): index for piece, index in clip.vocabulary.items()}
    (folder / "vocab.json").write_text(json.dumps(table))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in clip.merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def test_from_files__gives_the_ids_of_transformers(clip, tmp_path):
    write_files(tmp_path, clip)
    peer = CLIPTokenizer.from_pretrained(tmp_path)
    ours = ClipTokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    for text in TEXTS:
        expected = peer(text, max_length=77, truncation=True)["input_ids"]
        tokens = ours.encode([text], 77)
        assert tokens.ids[0, : len(expected)].tolist() == expected
        assert tokens.mask.sum() == len(expected)


def test_to_json__is_read_back_to_the_same_tokenizer(clip):
    again = ClipTokenizer.from_content(json.loads(clip.to_json()), "x")
    assert again.to_json() == clip.to_json()
    assert again.vocab_size == clip.vocab_size == 49408


def tiny(**changes):
    content = {
        "model": {
            "type": "BPE",
            "end_of_word_suffix": "</w>",
            "vocab": {piece: index for index, piece in enumerate(PIECES)},
            "merges": [["a", "b</w>"]],
        }
    }
    content["model"].update(changes)
    return content


def test_from_content__takes_merges_as_pairs_and_as_texts():
    pairs = ClipTokenizer.from_content(tiny(), "x")
    texts = ClipTokenizer.from_content(tiny(merges=["a b</w>"]), "x")
    assert pairs.encode(["ab C"], 5).ids.tolist() == texts.encode(["ab C"], 5).ids.tolist()
    assert pairs.encode(["ab C"], 5).ids.tolist() == [[7, 6, 5, 8, 0]]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (tiny(end_of_word_suffix=""), "do not end with '</w>'"),
        (tiny(vocab={"a": 0, "b": 5}), "gaps or repeats"),
        (tiny(vocab={"a": 0, "b": 1}), r"ends with \['a', 'b'\]"),
        (tiny(merges=["a b c"]), "is not a pair"),
        (tiny(merges=["b a"]), r"lacks a piece of merge \('b', 'a'\)"),
        (tiny(vocab=[]), "cannot be used as a tokenizer"),
        ({"model": {}}, "cannot be used as a tokenizer"),
        ([], "cannot be used as a tokenizer"),
    ],
)
def test_from_content__refuses_other_tokenizers(content, phrase):
    with pytest.raises(ModelError, match=phrase) as caught:
        ClipTokenizer.from_content(content, "tokenizer.json")
    assert caught.value.code == "MV1410"


def test_from_files__names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"vocab\.json") as caught:
        ClipTokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert caught.value.code == "MV1410"

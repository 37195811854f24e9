"""Captions become the same ids on every machine, and a damaged tokenizer file is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import ModelError
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer

CAPTIONS = [
    "An H&E image of clear cell renal cell carcinoma.",
    "papillary renal cell carcinoma with foamy macrophages",
    "normal renal cortex, glomeruli and tubules",
]


@pytest.fixture(scope="module")
def tokenizer() -> CaptionTokenizer:
    return train_tokenizer(CAPTIONS, vocab_size=200)


def test_train_tokenizer__does_not_depend_on_order_or_repeats(tokenizer):
    again = train_tokenizer([*reversed(CAPTIONS), CAPTIONS[0]], vocab_size=200)
    assert again.to_json() == tokenizer.to_json()


def test_train_tokenizer__gives_the_same_vocabulary_in_another_process(tokenizer):
    code = (
        "import json, sys; from medvlp.text.tokenizer import train_tokenizer;"
        "sys.stdout.write(train_tokenizer(json.loads(sys.argv[1]), vocab_size=200).to_json())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(CAPTIONS)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert done.stdout == tokenizer.to_json()


def test_train_tokenizer__refuses_no_captions():
    with pytest.raises(ValueError, match="captions is empty"):
        train_tokenizer([], vocab_size=10)


def test_encode__frames_pads_and_masks(tokenizer):
    tokens = tokenizer.encode(["renal", "renal cell carcinoma"], max_tokens=32)
    vocabulary = tokenizer.vocabulary
    assert tokens.ids.shape == tokens.mask.shape
    expected = [vocabulary["[CLS]"], vocabulary["renal"], vocabulary["[SEP]"]]
    assert tokens.ids[0, :3].tolist() == expected
    assert tokens.mask.sum(axis=1).tolist() == [3, 5]
    assert (tokens.ids[~tokens.mask] == vocabulary["[PAD]"]).all()


def test_encode__ignores_case(tokenizer):
    upper, lower = (tokenizer.encode([t], 32).ids for t in ("RENAL Cell", "renal cell"))
    np.testing.assert_array_equal(upper, lower)


def test_encode__cuts_long_texts_but_keeps_the_end_token(tokenizer):
    tokens = tokenizer.encode(["renal " * 50], max_tokens=8)
    assert tokens.ids.shape == (1, 8)
    assert tokens.ids[0, -1] == tokenizer.vocabulary["[SEP]"]


def test_encode__reads_special_pieces_in_a_caption_as_tokens_of_their_own(tokenizer):
    tokens = tokenizer.encode(["renal [MASK] carcinoma"], max_tokens=32)
    assert tokenizer.vocabulary["[MASK]"] in tokens.ids


def test_load__gives_back_what_was_saved(tokenizer, tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    loaded = CaptionTokenizer.load(path)
    assert loaded.vocabulary == tokenizer.vocabulary
    for caption in [*CAPTIONS, "unseen words: chromophobe!"]:
        np.testing.assert_array_equal(
            loaded.encode([caption], 64).ids, tokenizer.encode([caption], 64).ids
        )


def test_load__agrees_with_the_tokenizers_library_on_its_own_file(tokenizer, tmp_path: Path):
    from tokenizers import Tokenizer

    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    independent = Tokenizer.from_file(str(path))
    for caption in CAPTIONS:
        assert tokenizer.encode([caption], 64).ids[0].tolist() == independent.encode(caption).ids


@pytest.mark.parametrize(
    ("damage", "phrase"),
    [
        (lambda c: c["model"].update(type="BPE"), "its model is 'BPE'"),
        (lambda c: c["model"]["vocab"].pop("[UNK]"), "gaps or repeats"),
        (lambda c: c["model"]["vocab"].update(renal="x"), "not a table of pieces"),
        (lambda c: c["normalizer"].update(lowercase=False), "does not lower-case"),
        (lambda c: c.update(post_processor=None), "its post_processor is None"),
    ],
)
def test_load__refuses_another_kind_of_tokenizer(tokenizer, tmp_path: Path, damage, phrase):
    content = json.loads(tokenizer.to_json())
    damage(content)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=phrase) as caught:
        CaptionTokenizer.load(path)
    assert caught.value.code == "MV1410"


def test_load__refuses_a_vocabulary_without_a_special_piece(tokenizer, tmp_path: Path):
    content = json.loads(tokenizer.to_json())
    vocabulary = content["model"]["vocab"]
    vocabulary["[unused]"] = vocabulary.pop("[MASK]")
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"no \[MASK\]"):
        CaptionTokenizer.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x80\x04."])
def test_load__refuses_what_is_not_a_tokenizer(tmp_path: Path, content: bytes):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be used as a tokenizer"):
        CaptionTokenizer.load(path)


def test_load__names_a_missing_file(tmp_path: Path):
    with pytest.raises(ModelError, match="there is no such file"):
        CaptionTokenizer.load(tmp_path / "tokenizer.json")

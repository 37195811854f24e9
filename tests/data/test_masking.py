"""Hidden tokens: how many, which, and what stands in their place, counted independently."""

import math
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer

from medvlp.data.masking import MaskingSettings, TokenMasker
from medvlp.errors import ConfigError
from medvlp.text.file_tokenizer import FileTokenizer
from medvlp.text.tokenizer import CaptionTokenizer
from tests.text.test_file_tokenizer import llama_like

WORDS = [f"word{n}" for n in range(90)]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *(f"##x{n}" for n in range(5))]
TOKENIZER = CaptionTokenizer({piece: number for number, piece in enumerate(PIECES)})
MASK = PIECES.index("[MASK]")


def texts(rows: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of [CLS] ordinary pieces [SEP], and as much padding again."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((rows, 2 * length), dtype=np.int64)
    ids[:, :length] = rng.integers(5, len(PIECES), (rows, length))
    ids[:, 0], ids[:, length - 1] = 2, 3
    return ids, np.arange(2 * length) < np.full((rows, 1), length)


def test_masker__hides_the_share_asked_for_in_the_proportions_of_bert():
    ids, mask = texts(400, 102)  # 100 ordinary pieces each
    hidden = TokenMasker(TOKENIZER, MaskingSettings(rate=0.15))(ids, mask, range(400))
    chosen = hidden.targets != -100
    assert (chosen.sum(axis=1) == 15).all()
    assert not (chosen & ~mask).any()
    assert not chosen[:, [0, 101]].any()
    np.testing.assert_array_equal(hidden.targets[chosen], ids[chosen])
    np.testing.assert_array_equal(hidden.ids[~chosen], ids[~chosen])
    number = chosen.sum()  # 6000: within 4 standard errors
    masked = (hidden.ids == MASK) & chosen
    same = (hidden.ids == ids) & chosen
    other = chosen & ~masked & ~same
    for found, share in ((masked, 0.8), (same, 0.1 + 0.1 / 95), (other, 0.1 * 94 / 95)):
        assert abs(found.sum() / number - share) < 4 * math.sqrt(share * (1 - share) / number)
    assert (hidden.ids[other] >= 5).all()
    assert len(set(hidden.ids[other].tolist())) > 85  # of 95 ordinary pieces
    places = chosen[:, 1:101].sum(axis=0)  # every place as often as others: 60 times on average
    assert np.sum((places - 60) ** 2 / (60 * 0.85)) < 150  # chi-squared with 99 degrees of freedom


def test_masker__depends_on_the_seed_of_a_text_and_on_no_other_text():
    ids, mask = texts(6, 30)
    masker = TokenMasker(TOKENIZER, MaskingSettings())
    whole = masker(ids, mask, [5, 6, 7, 8, 9, 10])
    alone = masker(ids[3:4], mask[3:4], [8])
    np.testing.assert_array_equal(alone.ids[0], whole.ids[3])
    np.testing.assert_array_equal(alone.targets[0], whole.targets[3])
    again = masker(ids[3:4], mask[3:4], [9])
    assert not np.array_equal(again.targets, alone.targets)


def test_masker__hides_all_pieces_of_a_word_or_none():
    pieces = ["[CLS]", "word1", "##x1", "##x2", "word2", "word3", "##x1", "word4", "[SEP]"]
    ids = np.array([[PIECES.index(piece) for piece in pieces]] * 300)
    mask = np.ones_like(ids, dtype=bool)
    settings = MaskingSettings(rate=0.4, whole_words=True)  # 7 pieces: 3 at most
    chosen = TokenMasker(TOKENIZER, settings)(ids, mask, range(300)).targets != -100
    for word in ([1, 2, 3], [4], [5, 6], [7]):
        assert (chosen[:, word].all(axis=1) == chosen[:, word].any(axis=1)).all()
        assert 0 < chosen[:, word[0]].mean() < 1
    assert set(chosen.sum(axis=1).tolist()) <= {1, 2, 3}
    assert chosen.any(axis=1).all()
    apart = TokenMasker(TOKENIZER, MaskingSettings(rate=0.4))(ids, mask, range(300)).targets != -100
    assert (apart[:, 2] != apart[:, 3]).any()


def test_masker__hides_one_piece_of_a_short_text_and_none_of_an_empty_one():
    ids = np.array([[2, 7, 3], [2, 3, 0]])
    mask = np.array([[True, True, True], [True, True, False]])
    found = TokenMasker(TOKENIZER, MaskingSettings(rate=0.01))(ids, mask, [0, 1])
    assert found.targets.tolist() == [[-100, 7, -100], [-100, -100, -100]]


def test_masker__of_a_decoder_spares_the_first_token_and_hides_its_words_whole():
    text = "A renal mass, xylem qrst."
    library = Tokenizer.from_str(llama_like()).encode(text)
    tokenizer = FileTokenizer(llama_like())
    tokens = tokenizer.encode([text, f"{text} no stones"], 64)  # the first is padded on the left
    ids, mask = (np.repeat(part[:1], 400, axis=0) for part in (tokens.ids, tokens.mask))
    settings = MaskingSettings(rate=0.3, mask_piece="_", whole_words=True)
    found = TokenMasker(tokenizer, settings)(ids, mask, range(400))
    chosen = (found.targets != -100)[:, mask[0]]
    assert not chosen[:, 0].any()
    words = library.word_ids[1:]
    assert len(words) - len(set(words)) > 5
    for place in range(1, len(words)):
        here, before = chosen[:, place + 1], chosen[:, place]
        assert np.array_equal(here, before) == (words[place] == words[place - 1])
    counts = Counter(found.ids[found.targets != -100].tolist())
    assert counts.most_common(1)[0][0] == tokenizer.vocabulary["_"]


def test_masker__spares_the_first_token_where_no_special_piece_begins_a_text():
    tokenizer = FileTokenizer(llama_like(begins=False))
    tokens = tokenizer.encode(["no mass", "no renal mass"], 64)
    assert not tokens.mask[0, 0]
    ids, mask = (np.repeat(part, 50, axis=0) for part in (tokens.ids, tokens.mask))
    masker = TokenMasker(tokenizer, MaskingSettings(rate=0.5, mask_piece="_"))
    chosen = masker(ids, mask, range(100)).targets != -100
    assert not chosen[np.arange(100), mask.argmax(axis=1)].any()
    assert chosen.any(axis=1).all()


def test_settings__refuse_what_cannot_be():
    with pytest.raises(ConfigError, match=r"mask_piece='_' is no piece .* \[MASK\] for BERT"):
        TokenMasker(TOKENIZER, MaskingSettings(mask_piece="_"))
    with pytest.raises(ValidationError, match="make more than 1"):
        MaskingSettings(mask_share=0.8, random_share=0.3)

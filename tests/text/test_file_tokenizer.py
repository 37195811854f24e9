"""Decoders' tokenizers as their files say: padding left, cut texts, special pieces."""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from medvlp.errors import ModelError
from medvlp.text.file_tokenizer import FileTokenizer, load_report_tokenizer
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer

TEXTS = ["No stones in the left kidney.", "A renal mass of 3.5 cm in the right kidney, no stones."]


def llama_like(*, begins: bool = True, ends: bool = False) -> str:
    """Return a tokenizer.json laid out as Llama-3's: byte pairs, and a piece that begins a text.

    Without that piece it is laid out as Qwen's.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|begin|>", "<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    single = f"{'<|begin|> ' * begins}$A{' <|end|>' * ends}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(piece, tokenizer.token_to_id(piece)) for piece in special]
    )
    return tokenizer.to_str()


def test_encode__pads_on_the_side_asked_for_with_the_same_tokens():
    left = FileTokenizer(llama_like()).encode(TEXTS, 64)
    right = FileTokenizer(llama_like(), padding="right").encode(TEXTS, 64)
    assert left.mask[0, -1]
    assert not left.mask[0, 0]
    assert right.mask[0, 0]
    assert not right.mask[0, -1]
    for row in range(2):
        assert left.ids[row][left.mask[row]].tolist() == right.ids[row][right.mask[row]].tolist()


def test_encode__is_that_of_the_library_and_keeps_an_end_where_it_cuts():
    library = Tokenizer.from_str(llama_like(ends=True))
    ours = FileTokenizer(llama_like(ends=True))
    whole = library.encode(TEXTS[1]).ids
    assert ours.encode(TEXTS[1:], 64).ids[0].tolist() == whole
    assert ours.encode(TEXTS[1:], 6).ids[0].tolist() == [*whole[:5], library.token_to_id("<|end|>")]
    begun = FileTokenizer(llama_like())
    assert begun.encode(TEXTS[1:], 6).ids[0].tolist() == whole[:6]
    assert begun.special_ids == {0, 1}


def test_load_report_tokenizer__reads_both_kinds_and_refuses_others(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(llama_like())
    loaded = load_report_tokenizer(path)
    assert isinstance(loaded, FileTokenizer)
    path.write_text(loaded.to_json())
    again = load_report_tokenizer(path)
    assert again.vocabulary == loaded.vocabulary
    assert again.to_json() == loaded.to_json()
    path.write_text(train_tokenizer(TEXTS, 100).to_json())
    assert isinstance(load_report_tokenizer(path), CaptionTokenizer)
    path.write_text(json.dumps({"model": {"type": "BPE"}}))
    with pytest.raises(ModelError, match=r"MV1410: .* cannot be used as a tokenizer"):
        load_report_tokenizer(path)
    path.write_text("[]")
    with pytest.raises(ModelError, match="MV1410"):
        load_report_tokenizer(path)

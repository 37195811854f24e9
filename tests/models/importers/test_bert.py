"""Sizes of a BERT come from its settings, its tokenizer from its own files."""

import pytest

from medvlp.errors import ModelError
from medvlp.models.importers.bert import bert_settings, read_bert_tokenizer, text_tower_settings
from medvlp.models.open_clip_settings import BertSettings
from tests.models.importers.releases import PIECES, write_vocabulary


def test_bert_settings__fill_in_bert_base_and_ignore_what_changes_nothing():
    sizes = bert_settings(
        {
            "hidden_size": 64,
            "torch_dtype": "float32",
            "auto_map": {"AutoModel": "evil.Model"},
            "_attn_implementation_internal": "evil/kernel",
        },
        "x",
    )
    assert sizes == BertSettings(hidden_size=64)


@pytest.mark.parametrize(
    ("config", "phrase"),
    [
        ({"model_type": "roberta"}, "is a 'roberta'"),
        ({"is_decoder": True}, "is_decoder=True"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
        ({"hidden_size": "wide"}, "hidden_size='wide'"),
    ],
)
def test_bert_settings__refuse_another_model(config, phrase):
    with pytest.raises(ModelError, match=phrase) as caught:
        bert_settings(config, "config.json")
    assert caught.value.code == "MV2101"


@pytest.mark.parametrize(
    "change", [{"layer_norm_eps": 1e-5}, {"type_vocab_size": 1}, {"hidden_size": 770}]
)
def test_text_tower_settings__refuse_what_our_tower_cannot_be(change):
    with pytest.raises(ModelError) as caught:
        text_tower_settings(BertSettings(**change), "none", "config.json")
    assert caught.value.code == "MV2101"


def test_text_tower_settings__cut_texts_at_256_tokens():
    settings = text_tower_settings(BertSettings(), "mlp", "x")
    assert (settings.max_tokens, settings.positions, settings.pooling) == (256, 512, "pooler")


def test_read_bert_tokenizer__reads_a_vocabulary_or_a_tokenizer_file(tmp_path):
    write_vocabulary(tmp_path)
    first, files = read_bert_tokenizer(tmp_path, len(PIECES))
    assert [path.name for path in files] == ["vocab.txt"]
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "tokenizer.json").write_text(first.to_json())
    second, files = read_bert_tokenizer(tmp_path, len(PIECES))
    assert [path.name for path in files] == ["tokenizer.json"]
    assert second.vocabulary == first.vocabulary


def test_read_bert_tokenizer__wants_padding_to_be_piece_0(tmp_path):
    pieces = ["[UNK]", "[PAD]", *PIECES[2:]]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    with pytest.raises(ModelError, match=r"'\[PAD\]' with id 1") as caught:
        read_bert_tokenizer(tmp_path, len(PIECES))
    assert caught.value.code == "MV2108"

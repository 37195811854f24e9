"""The text tower of a release comes with its sizes, its tokenizer and every weight."""

import json

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.bert_release import read_text_model, text_tower_of
from medvlp.models.importers.records import ImportRequest
from tests.models.importers.chest_releases import write_bert


@pytest.fixture
def folder(tmp_path):
    write_bert(tmp_path / "bert")
    return tmp_path / "bert"


def request(tmp_path, **options) -> ImportRequest:
    return ImportRequest(source="a.pth", out=tmp_path / "b", **options)


def test_read_text_model__takes_what_our_tower_has(tmp_path, folder):
    text = read_text_model(request(tmp_path, text_model=str(folder)), 128)
    assert (text.settings.width, text.settings.heads, text.settings.layers) == (32, 2, 2)
    assert (text.settings.pooling, text.settings.max_tokens) == ("cls", 64)
    assert not any(name.startswith(("bert.", "cls.", "pooler.")) for name in text.tensors)
    assert sorted(path.name for path in text.files) == [
        "config.json",
        "pytorch_model.bin",
        "vocab.txt",
    ]
    assert text.notes == ("Texts are read by bert, first token of the last layer.",)
    taken = text.take({"text_tower.bert." + n: tuple(t.shape) for n, t in text.tensors.items()})
    assert len(taken) == len(text.tensors)
    with pytest.raises(ModelError, match="unexpected") as caught:
        text.take({})
    assert caught.value.code == "MV2105"


def test_read_text_model__asks_for_the_encoder(tmp_path):
    with pytest.raises(ModelError, match="Bio_ClinicalBERT") as caught:
        read_text_model(request(tmp_path), 128)
    assert caught.value.code == "MV2118"


def test_read_text_model__refuses_another_tokenizer(tmp_path, folder):
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    with pytest.raises(ModelError) as caught:
        read_text_model(request(tmp_path, text_model=str(folder)), 128)
    assert caught.value.code == "MV2108"


def test_text_tower_of__reads_sizes_from_shapes_without_a_configuration(tmp_path, folder):
    whole = torch.load(folder / "pytorch_model.bin", weights_only=True)
    bert = {n.removeprefix("bert."): t for n, t in whole.items() if n.startswith("bert.")}
    wanted = request(tmp_path, tokenizer=folder)
    text = text_tower_of(wanted, bert, tmp_path / "a.pth", "pooler", 16)
    assert (text.settings.width, text.settings.heads, text.settings.feedforward) == (32, 1, 48)
    assert (text.settings.positions, text.settings.max_tokens) == (64, 16)
    assert "embeddings.position_ids" not in text.tensors
    with pytest.raises(ModelError, match="word_embeddings") as caught:
        text_tower_of(wanted, {}, tmp_path / "a.pth", "pooler", 16)
    assert caught.value.code == "MV2105"


def test_text_tower_of__refuses_what_is_no_bert(tmp_path, folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "longformer"}))
    with pytest.raises(ModelError, match="longformer") as caught:
        read_text_model(request(tmp_path, text_model=str(folder)), 128)
    assert caught.value.code == "MV2101"

"""A text tower begins with what knowledge training wrote, or with a BERT of transformers."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertModel

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.text_sources import open_text_tower
from medvlp.models.text_tower import KnowledgeText, TextTowerCard, save_text_tower
from medvlp.text.tokenizer import train_tokenizer

TOKENIZER = train_tokenizer(["lung cancer", "kidney cancer"], 60)
SIZES = {
    "vocab_size": TOKENIZER.vocab_size,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}


@pytest.fixture
def bert() -> BertModel:
    torch.manual_seed(0)
    return BertModel(BertConfig(**SIZES)).eval()


def write_bert(folder, state) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **SIZES}))
    pieces = sorted(TOKENIZER.vocabulary, key=TOKENIZER.vocabulary.get)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")


def embed(model, text: str) -> torch.Tensor:
    tokens = TOKENIZER.encode([text], 24)
    with torch.no_grad():
        return model(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))


def test_open_text_tower__takes_a_bert_with_its_tokenizer(tmp_path, bert):
    old = {}  # a pretraining file: prefix, heads, and the old names of layer norms
    for name, value in bert.state_dict().items():
        spelt = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old["bert." + spelt.replace("LayerNorm.bias", "LayerNorm.beta")] = value
    torch.manual_seed(1)
    heads = BertForMaskedLM(BertConfig(**SIZES)).state_dict()
    old |= {n: v.clone() for n, v in heads.items() if n.startswith("cls.predictions.transform")}
    write_bert(tmp_path / "bert", old)
    found = open_text_tower(tmp_path / "bert")
    assert found.meta.settings.pooling == "pooler"
    assert found.tokenizer.vocabulary == TOKENIZER.vocabulary
    tokens = TOKENIZER.encode(["lung cancer"], 24)
    with torch.no_grad():
        pooled = bert(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)).pooler_output
    expected = torch.nn.functional.normalize(pooled, dim=-1)
    torch.testing.assert_close(embed(found.model.eval(), "lung cancer"), expected)


def test_open_text_tower__refuses_a_bert_without_all_its_weights(tmp_path, bert):
    state = {n: v for n, v in bert.state_dict().items() if "pooler" not in n}
    write_bert(tmp_path / "bert", state)
    with pytest.raises(ModelError, match=r"MV1409: .* 2 missing \('text_tower.bert.pooler.dense"):
        open_text_tower(tmp_path / "bert")


def test_open_text_tower__takes_what_knowledge_training_wrote(tmp_path):
    from medvlp.models.architecture import TextTowerSettings

    settings = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=24)
    model = KnowledgeText(settings, TOKENIZER.vocab_size, 8).eval()
    card = TextTowerCard(name="x", provenance=Provenance(medvlp_version="0"), license="CC0-1.0")
    save_text_tower(tmp_path / "tower", model, TOKENIZER, card)
    found = open_text_tower(tmp_path / "tower")
    assert torch.equal(embed(found.model.eval(), "lung"), embed(model, "lung"))
    with pytest.raises(ModelError, match=r"MV1403: .*text_tower.json does not exist"):
        open_text_tower(tmp_path)

"""A text tower is kept whole, and a dual encoder takes it bit for bit or not at all."""

import json

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.text_tower import (
    KnowledgeText,
    TextTowerCard,
    load_text_tower,
    save_text_tower,
    take_text_tower,
)
from medvlp.text.tokenizer import train_tokenizer

SETTINGS = TextTowerSettings(
    width=16, layers=1, heads=2, feedforward=32, max_tokens=12, pooling="pooler", projection="mlp"
)
TOKENIZER = train_tokenizer(["lung cancer", "kidney cancer"], 60)
CARD = TextTowerCard(
    name="tiny",
    provenance=Provenance(medvlp_version="0", holds_umls=True, data_sha256="ab"),
    license="Apache-2.0",
)


@pytest.fixture
def saved(tmp_path):
    model = KnowledgeText(SETTINGS, TOKENIZER.vocab_size, 8, seed=3)
    save_text_tower(tmp_path / "tower", model, TOKENIZER, CARD)
    return tmp_path / "tower", model


def dual(**changes) -> DualEncoder:
    settings = DualEncoderSettings(
        embed_dim=changes.pop("embed_dim", 8),
        image=ImageTowerSettings(architecture="test_resnet"),
        text=SETTINGS.model_copy(update=changes),
    )
    return DualEncoder(settings, TOKENIZER.vocab_size, seed=1)


def test_save_text_tower__keeps_weights_tokenizer_and_provenance(saved):
    folder, model = saved
    assert sorted(p.name for p in folder.iterdir()) == [
        "model.safetensors",
        "text_tower.json",
        "tokenizer.json",
    ]
    loaded = load_text_tower(folder)
    assert loaded.meta.provenance.holds_umls
    assert loaded.meta.provenance.data_sha256 == "ab"
    assert loaded.tokenizer.vocabulary == TOKENIZER.vocabulary
    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_take_text_tower__gives_the_same_embeddings_bit_for_bit(saved):
    folder, model = saved
    taker = dual(dropout=0.1)
    take_text_tower(taker, load_text_tower(folder), TOKENIZER, str(folder))
    tokens = TOKENIZER.encode(["lung cancer", "cancer of the kidney"], 12)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    with torch.no_grad():
        expected = model.eval()(ids, mask)
        actual = torch.nn.functional.normalize(taker.eval().project_text(ids, mask), dim=-1)
    assert torch.equal(actual, expected)
    untouched = dual().image_tower.state_dict()
    assert all(torch.equal(v, untouched[k]) for k, v in taker.image_tower.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "code", "phrase"),
    [
        ({"pooling": "mean"}, "MV1409", "pooling 'pooler' there, 'mean' here"),
        ({"heads": 4}, "MV1409", "heads 2 there, 4 here"),
        ({"embed_dim": 4}, "MV1409", r"text_projection.0.weight' is \(8, 16\) instead of \(4, 16"),
    ],
)
def test_take_text_tower__refuses_another_tower(saved, changes, code, phrase):
    folder, _ = saved
    with pytest.raises(ModelError, match=phrase) as caught:
        take_text_tower(dual(**changes), load_text_tower(folder), TOKENIZER, "there")
    assert caught.value.code == code


def test_take_text_tower__refuses_another_tokenizer(saved):
    folder, _ = saved
    other = train_tokenizer(["something else"], 60)
    with pytest.raises(ModelError, match=r"data.tokenizer.file: there/tokenizer.json") as caught:
        take_text_tower(dual(), load_text_tower(folder), other, "there")
    assert caught.value.code == "MV2043"


def test_load_text_tower__refuses_what_is_changed_or_missing(saved, tmp_path):
    folder, _ = saved
    meta = json.loads((folder / "text_tower.json").read_text())
    (folder / "text_tower.json").write_text(json.dumps({**meta, "extra": 1}))
    with pytest.raises(ModelError, match=r"MV1407.*extra is not a known key"):
        load_text_tower(folder)
    (folder / "text_tower.json").write_text(json.dumps(meta))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="MV1404"):
        load_text_tower(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"MV1403.*tokenizer\.json does not exist"):
        load_text_tower(folder)
    with pytest.raises(ModelError, match="MV1403"):
        load_text_tower(tmp_path / "nowhere")


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_encode__gives_tokens_beside_the_vector(pooling):
    settings = SETTINGS.model_copy(update={"pooling": pooling})
    tower = KnowledgeText(settings, TOKENIZER.vocab_size, 8, seed=3).eval().text_tower
    ids = torch.tensor([[2, 5, 6, 3], [2, 5, 3, 0]])
    with torch.no_grad():
        tokens, vector = tower.encode(ids, ids > 0)
        expected = tower.bert(ids, (ids > 0).long()).last_hidden_state
        assert torch.equal(vector, tower(ids, ids > 0))
    torch.testing.assert_close(tokens, expected)
    if pooling == "mean":
        torch.testing.assert_close(vector[1], expected[1, :3].mean(0))
    if pooling == "cls":
        torch.testing.assert_close(vector, expected[:, 0])


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_encode__takes_no_texts_and_keeps_a_gradient(pooling):
    settings = SETTINGS.model_copy(update={"pooling": pooling})
    tower = KnowledgeText(settings, TOKENIZER.vocab_size, 8, seed=3).text_tower
    ids = torch.zeros(0, 4, dtype=torch.int64)
    tokens, vectors = tower.encode(ids, ids > 0)
    assert (tokens.shape, vectors.shape) == ((0, 4, 16), (0, 16))
    vectors.sum().backward()
    assert not tower.bert.embeddings.word_embeddings.weight.grad.any()

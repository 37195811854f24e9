"""Decoders in folders: as transformers writes releases, and as training writes its own."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.decoder_folder import (
    DECODER_FILE,
    is_decoder_folder,
    load_decoder,
    save_decoder,
)
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes, build_decoder
from medvlp.models.text_tower import TextTowerCard
from medvlp.text.file_tokenizer import FileTokenizer
from tests.text.test_file_tokenizer import llama_like

CARD = TextTowerCard(name="tiny", provenance=Provenance(medvlp_version="0"), license="Apache-2.0")
TOKENIZER = FileTokenizer(llama_like())


def tiny(family: str = "llama"):
    sizes = DecoderSizes(family=family, width=16, layers=2, heads=2, kv_heads=1, feedforward=32)
    settings = DecoderSettings(max_tokens=32)
    return build_decoder(sizes, TOKENIZER.vocab_size, settings, seed=0).eval()


def embed(model) -> torch.Tensor:
    tokens = TOKENIZER.encode(["No stones in the left kidney.", "A mass."], 32)
    with torch.no_grad():
        return model(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))


@pytest.fixture(params=["llama", "qwen2", "qwen3"])
def release(request, tmp_path):
    """A folder as transformers writes it, in several shards, of random weights."""
    model, folder = tiny(request.param), tmp_path / "release"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.network.to(torch.bfloat16).save_pretrained(folder, max_shard_size="20KB")
    (folder / "tokenizer.json").write_text(TOKENIZER.to_json())
    assert (folder / "model.safetensors.index.json").is_file()
    return folder, model


def test_load_decoder__reads_a_release_in_its_own_precision(release):
    folder, model = release
    assert is_decoder_folder(folder)
    loaded = load_decoder(folder, dropout=0.3)
    assert loaded.meta is None
    assert loaded.model.network.dtype == torch.bfloat16
    assert loaded.model.network.config.attention_dropout == 0.3
    assert not torch.equal(embed(loaded.model), embed(loaded.model))  # ready to be trained
    assert loaded.tokenizer.vocabulary == TOKENIZER.vocabulary
    state, expected = loaded.model.network.state_dict(), model.network.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert embed(loaded.model.eval()).isfinite().all()


def test_save_decoder__keeps_every_bit_and_the_template(tmp_path):
    model = tiny("qwen3")
    folder = tmp_path / "tower"
    save_decoder(folder, model, TOKENIZER, CARD, max_tokens=32, template="user: {}")
    loaded = load_decoder(folder)
    assert loaded.meta.template == "user: {}"
    assert loaded.meta.max_tokens == 32
    state = loaded.model.network.state_dict()
    assert all(torch.equal(state[k], v) for k, v in model.network.state_dict().items())
    assert torch.equal(embed(loaded.model.eval()), embed(model))
    found = sorted(path.name for path in folder.iterdir())
    assert found == ["config.json", DECODER_FILE, "model.safetensors", "tokenizer.json"]
    with pytest.raises(FileExistsError):
        save_decoder(folder, model, TOKENIZER, CARD, max_tokens=32)


def test_load_decoder__refuses_folders_that_are_not_whole(tmp_path):
    folder = tmp_path / "tower"
    save_decoder(folder, tiny(), TOKENIZER, CARD, max_tokens=32)
    weights = folder / "model.safetensors"
    state = load_file(weights)
    changed = state | {"model.norm.weight": state["model.norm.weight"] + 1}
    save_file(changed, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="MV1404"):
        load_decoder(folder)
    (folder / DECODER_FILE).unlink()
    assert load_decoder(folder).meta is None
    save_file(
        {k: v for k, v in state.items() if "norm" not in k}, weights, metadata={"format": "pt"}
    )
    with pytest.raises(
        ModelError, match=r"MV1409: .* do not fit its config.json: model.layers.0.input_lay"
    ):
        load_decoder(folder)
    broken = state | {"model.norm.weight": torch.full((16,), torch.nan)}
    save_file(broken, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="MV1405"):
        load_decoder(folder)
    weights.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"MV1407: .* cannot be read as a decoder"):
        load_decoder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    assert not is_decoder_folder(folder)
    with pytest.raises(ModelError, match=r"model_type 'bert'; expected one of \('llama'"):
        load_decoder(folder)
    assert not is_decoder_folder(tmp_path)

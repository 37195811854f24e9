"""A decoder as a text tower: what it sees, what a text becomes, whose weights it takes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from medvlp.errors import ModelError
from medvlp.models.decoder_sizes import DECODER_FAMILIES, DecoderTowerSettings
from medvlp.models.decoder_tower import DecoderTower, take_decoder
from medvlp.text.file_tokenizer import load_report_tokenizer
from tests.models.decoder_releases import byte_pairs, write_release

SIZES = {"width": 16, "layers": 2, "heads": 4, "kv_heads": 2, "feedforward": 24, "max_tokens": 16}


def settings(**changed) -> DecoderTowerSettings:
    return DecoderTowerSettings(**({"family": "qwen2"} | SIZES | changed))


def tower(**changed) -> DecoderTower:
    torch.manual_seed(0)
    return DecoderTower(settings(**changed), 60).eval()


IDS = torch.tensor([[3, 9, 4, 11], [7, 2, 0, 0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False]])


@pytest.mark.parametrize("family", DECODER_FAMILIES)
def test_decoder_tower__is_the_library_s_decoder(family) -> None:
    ours = tower(family=family)
    with torch.no_grad():
        expected = ours.network(input_ids=IDS[:1]).last_hidden_state[:, -1]
        assert torch.allclose(ours(IDS, MASK)[:1], expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("attention", ["before", "all"])
def test_decoder_tower__does_not_see_padding_on_either_side(pooling, attention) -> None:
    ours = tower(pooling=pooling, attention=attention)
    left_ids = torch.tensor([[3, 9, 4, 11], [5, 5, 7, 2]])
    left_mask = torch.tensor([[True] * 4, [False, False, True, True]])
    with torch.no_grad():
        right, left = ours(IDS, MASK), ours(left_ids, left_mask)
        alone = ours(IDS[1:, :2], MASK[1:, :2])
    assert torch.isfinite(left).all()
    assert torch.allclose(left, right, atol=1e-5)
    assert torch.allclose(alone, right[1:], atol=1e-5)


def test_decoder_tower__pools_as_it_says() -> None:
    towers = {pooling: tower(pooling=pooling) for pooling in ("last", "mean", "max")}
    with torch.no_grad():
        found = {pooling: ours(IDS, MASK)[1] for pooling, ours in towers.items()}
        tokens = towers["mean"].network(input_ids=IDS[1:, :2]).last_hidden_state[0]
    assert torch.allclose(found["last"], tokens[1], atol=1e-5)
    assert torch.allclose(found["mean"], tokens.mean(dim=0), atol=1e-5)
    assert torch.allclose(found["max"], tokens.amax(dim=0), atol=1e-5)


def test_decoder_tower__sees_later_tokens_only_where_asked() -> None:
    changed = IDS.clone()
    changed[0, 3] = 20
    for attention, is_same in (("before", True), ("all", False)):
        ours = tower(attention=attention)
        seen = ours._seen(MASK)[:, 0]
        assert bool(seen[0].all()) != is_same
        with torch.no_grad():
            first, other = (
                ours.network(
                    input_ids=ids,
                    attention_mask=ours._seen(MASK),
                    position_ids=torch.arange(4)[None],
                ).last_hidden_state[0, 0]
                for ids in (IDS, changed)
            )
        assert torch.allclose(first, other, atol=1e-6) == is_same


def test_decoder_tower__refuses_fewer_rows_than_pieces() -> None:
    with pytest.raises(ModelError, match="59 rows for the tokenizer's 60 pieces") as caught:
        DecoderTower(settings(rows=59), 60)
    assert caught.value.code == "MV1407"
    assert DecoderTower(settings(rows=64), 60).network.embed_tokens.weight.shape[0] == 64


@pytest.fixture
def release(tmp_path) -> Path:
    """A randomly filled release of Qwen2's layout, with a language head, in several files."""
    folder = tmp_path / "tiny-qwen"
    write_release(folder, "qwen2")
    return folder


def test_take_decoder__takes_a_release_in_several_files(release) -> None:
    ours = DecoderTower(settings(rows=64), 60).eval()
    tokenizer = load_report_tokenizer(release / "tokenizer.json")
    origin = take_decoder(ours, release, tokenizer)
    assert origin.name == "tiny-qwen"
    theirs = AutoModelForCausalLM.from_pretrained(release).eval()
    with torch.no_grad():
        expected = theirs.model(input_ids=IDS[:1]).last_hidden_state[:, -1]
        assert torch.allclose(ours(IDS, MASK)[:1], expected, atol=1e-5)


def test_take_decoder__leaves_a_tower_without_memory_to_others(release) -> None:
    with torch.device("meta"):
        ours = DecoderTower(settings(rows=64), 60)
    tokenizer = load_report_tokenizer(release / "tokenizer.json")
    assert take_decoder(ours, release, tokenizer).name == "tiny-qwen"
    assert all(parameter.is_meta for parameter in ours.parameters())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"feedforward": 32}, "intermediate_size 24 there, 32 here"),
        ({"rope_theta": 5e5}, "rope_parameters"),
        ({"rows": 70}, "vocab_size 64 there, 70 here"),
        ({"family": "llama"}, "family 'qwen2' there, 'llama' here"),
    ],
)
def test_take_decoder__refuses_other_sizes(release, changed, said) -> None:
    tokenizer = load_report_tokenizer(release / "tokenizer.json")
    ours = DecoderTower(settings(**({"rows": 64} | changed)), 60)
    with pytest.raises(ModelError, match=said) as caught:
        take_decoder(ours, release, tokenizer)
    assert caught.value.code == "MV1409"


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"hidden_act": "gelu"}, "MV1409", "hidden_act 'gelu' there, 'silu' here"),
        ({"num_attention_heads": 0}, "MV2101", r"config\.json does not .* by zero"),
        ({"num_attention_heads": "4"}, "MV2101", r"config\.json .* 'num_attention_heads' expected"),
        ({"id2label": 5}, "MV2101", r"config\.json does not describe a decoder"),
    ],
)
def test_take_decoder__refuses_settings_that_mean_something_else(
    release, changed, code, said
) -> None:
    path = release / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    tokenizer = load_report_tokenizer(release / "tokenizer.json")
    ours = DecoderTower(settings(rows=64), 60)
    with pytest.raises(ModelError, match=said) as caught:
        take_decoder(ours, release, tokenizer)
    assert caught.value.code == code


def test_take_decoder__refuses_another_tokenizer(release) -> None:
    other = byte_pairs()
    other.vocabulary = other.vocabulary | {"further": 63}
    with pytest.raises(ModelError, match="another tokenizer") as caught:
        take_decoder(DecoderTower(settings(rows=64), 60), release, other)
    assert caught.value.code == "MV2043"


def test_take_decoder__refuses_weights_that_are_not_all_there(release) -> None:
    part = next(release.glob("model-00001-*"))
    state = load_file(part)
    state.popitem()
    save_file(state, part)
    tokenizer = load_report_tokenizer(release / "tokenizer.json")
    with pytest.raises(ModelError, match="1 missing") as caught:
        take_decoder(DecoderTower(settings(rows=64), 60), release, tokenizer)
    assert caught.value.code == "MV1409"

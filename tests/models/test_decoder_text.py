"""A decoder that sees both ways: later tokens, padding on either side, LoRA, the place before."""

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.decoder_text import (
    DECODER_FAMILIES,
    DecoderSettings,
    DecoderSizes,
    DecoderText,
    LoraSettings,
    build_decoder,
)

SETTINGS = DecoderSettings(max_tokens=32)


def decoder(family: str = "llama", **more) -> DecoderText:
    sizes = DecoderSizes(family=family, width=16, layers=2, heads=2, kv_heads=1, feedforward=32)
    return build_decoder(sizes, 40, SETTINGS.model_copy(update=more), seed=3).eval()


def example() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(2, 40, (2, 9), generator=torch.Generator().manual_seed(0))
    return ids, torch.ones(2, 9, dtype=torch.bool)


@pytest.mark.parametrize("family", DECODER_FAMILIES)
@pytest.mark.parametrize("padded", [False, True])
@torch.no_grad()
def test_decoder__sees_later_tokens_as_the_causal_original_does_not(family, padded):
    model, (ids, mask) = decoder(family), example()
    if padded:
        mask = mask.clone()
        mask[:, :2] = False
    other = ids.clone()
    other[:, -1] = (other[:, -1] - 2 + 1) % 38 + 2
    both = model.token_features(ids, mask) - model.token_features(other, mask)
    assert (both[:, 2:].abs().amax(dim=2) > 1e-4).all()  # every earlier place feels it
    causal = [
        model.network.model(input_ids=x, attention_mask=mask.long(), use_cache=False)[0]
        for x in (ids, other)
    ]
    assert torch.equal(causal[0][:, 2:-1], causal[1][:, 2:-1])
    assert not torch.equal(causal[0][:, -1], causal[1][:, -1])


@pytest.mark.parametrize("family", DECODER_FAMILIES)
@torch.no_grad()
def test_decoder__does_not_care_for_padding_nor_its_side(family):
    model, (ids, mask) = decoder(family), example()
    whole = model(ids, mask)
    filler = torch.full((2, 4), 5)
    off = torch.zeros(2, 4, dtype=torch.bool)
    left = model(torch.cat([filler, ids], dim=1), torch.cat([off, mask], dim=1))
    right = model(torch.cat([ids, filler], dim=1), torch.cat([mask, off], dim=1))
    assert torch.allclose(whole.norm(dim=1), torch.ones(2), atol=1e-6)
    torch.testing.assert_close(left, whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(right, whole, rtol=0, atol=1e-6)


@torch.no_grad()
def test_decoder__embeds_the_mean_of_real_tokens():
    model, (ids, mask) = decoder(), example()
    mask[1, :3] = False
    features = model.token_features(ids, mask)
    expected = torch.stack([features[0].mean(dim=0), features[1, 3:].mean(dim=0)])
    actual = model(ids, mask)
    torch.testing.assert_close(actual, functional.normalize(expected, dim=1), rtol=0, atol=1e-6)


@torch.no_grad()
def test_hidden_logits__name_a_token_by_the_place_before_it():
    model, (ids, mask) = decoder(), example()
    targets = torch.full((2, 9), -100)
    targets[0, 1], targets[1, 8] = 7, 4
    logits, true = model.hidden_logits(ids, mask, targets)
    assert true.tolist() == [7, 4]
    every = model.network.lm_head(model.token_features(ids, mask))
    torch.testing.assert_close(logits, torch.stack([every[0, 0], every[1, 7]]), rtol=0, atol=1e-6)


def test_lora__trains_small_matrices_alone_and_merges_to_the_same_decoder():
    model, (ids, mask) = decoder(), example()
    plain = model(ids, mask)
    names = [name for name, _ in model.named_parameters()]
    model.add_lora(LoraSettings(rank=2, alpha=4, dropout=0.0, layers=("q_proj", "up_proj")), seed=1)
    torch.testing.assert_close(model(ids, mask), plain, rtol=0, atol=0)  # begins at nothing
    free = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(free) == 2 * 2 * 2
    assert all(".lora_" in name and ("q_proj" in name or "up_proj" in name) for name in free)
    with torch.no_grad():
        for p in free.values():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    changed = model(ids, mask)
    assert (changed - plain).abs().max() > 1e-3
    model.merge_lora()
    assert [name for name, _ in model.named_parameters()] == names
    torch.testing.assert_close(model(ids, mask), changed, rtol=0, atol=1e-5)
    with pytest.raises(ModelError, match=r"MV1407: .* are no layers of the decoder"):
        model.add_lora(LoraSettings(layers=("query",)))


def test_lora__of_a_decoder_in_bf16_keeps_small_steps_and_the_decoders_precision_when_merged():
    model, (ids, mask) = decoder(), example()
    model.network.to(torch.bfloat16)
    model.add_lora(LoraSettings(rank=2, alpha=4, dropout=0.0))
    free = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in free} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        model(ids, mask).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in free)
    model.merge_lora()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_lora__says_which_extra_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ModelError, match=r"MV1759: .*medvlp\[llm\]"):
        decoder().add_lora(LoraSettings())


def test_decoder__is_fixed_by_its_seed_and_drops_attention_in_training_only():
    before = torch.get_rng_state()
    model, again = decoder(dropout=0.3), decoder(dropout=0.3)
    assert torch.equal(torch.get_rng_state(), before)
    ids, mask = example()
    assert torch.equal(model(ids, mask), again(ids, mask))
    model.train()
    assert not torch.equal(model(ids, mask), model(ids, mask))


def test_sizes__refuse_heads_that_do_not_divide():
    with pytest.raises(ValidationError, match="heads 3 does not divide width 16"):
        DecoderSizes(width=16, heads=3)
    with pytest.raises(ValidationError, match="kv_heads 3 does not divide heads 4"):
        DecoderSizes(width=16, heads=4, kv_heads=3)
    with pytest.raises(ValidationError, match="a head is 1 wide"):
        DecoderSizes(width=2, heads=2)

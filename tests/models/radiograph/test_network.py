"""A network that judges findings from texts: its parts, its shapes and what it can learn."""

import pytest
import torch
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.radiograph.network import CONTRASTS, RadiographNetwork, normalize_pixels
from medvlp.models.radiograph.settings import FacetSettings, TimmTowerSettings
from tests.models.radiograph.tiny_networks import (
    RESNET,
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    random_texts,
    tiny_decoder,
    tiny_model_settings,
    tiny_text,
)

CLASS, KIND = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 0, 0, 2])


def build(seed: int = 0, **changes) -> RadiographNetwork:
    return RadiographNetwork(tiny_model_settings(**changes), VOCAB_SIZE, seed=seed).eval()


@pytest.mark.parametrize("image", [RESNET, tiny_model_settings().image])
@pytest.mark.parametrize("head", ["binary", "score", "logit"])
@pytest.mark.parametrize("fusion", ["mean", "concat", "attention"])
def test_network__judges_every_finding_of_every_image(image, head, fusion):
    network = build(
        image=image, decoder=tiny_decoder(head=head), facets=FacetSettings(fusion=fusion)
    )
    with torch.no_grad():
        features = network.encode_image(random_pixels(3))
        text = network.encode_text(*random_texts(5))
        queries = network.facet_queries(text.sentence, CLASS, KIND, 3)
        judged = network.decode(queries, features.patches, with_attention=True)
    rows, columns = features.grid
    assert features.patches.shape == (3, rows * columns, 16)
    assert features.pooled.shape == network.describe(features.pooled).shape == (3, 16)
    assert text.words.shape == (5, 8, 16)
    assert text.sentence.shape == (5, 16)
    assert queries.shape == (3, 16)
    assert judged.logits.shape == (3, 3)
    assert judged.outputs.shape == (3, 3, 16)
    assert judged.attention.shape == (3, 3, rows * columns)
    torch.testing.assert_close(judged.attention.sum(-1), torch.ones(3, 3))
    assert network.decode(queries, features.patches).attention is None


def test_network__is_the_sum_of_its_parts():
    network = build()
    with torch.no_grad():
        pixels, (ids, mask) = random_pixels(), random_texts(5)
        tower = network.image_tower((pixels - 0.5) / 0.25)
        features, text = network.encode_image(pixels), network.encode_text(ids, mask)
        torch.testing.assert_close(features.patches, network.patch_projection(tower.patches))
        torch.testing.assert_close(features.pooled, network.image_projection(tower.pooled))
        pieces = network.text_tower.bert(ids, mask.long()).last_hidden_state
        torch.testing.assert_close(text.words, network.word_projection(pieces))
        pooled = network.text_tower(ids, mask)
        torch.testing.assert_close(text.sentence, network.text_projection(pooled))
        queries = network.queries_of(text, CLASS, KIND, 3)
        decoded = network.decoder(queries, features.patches, with_attention=True)
        judged = network.decode(queries, features.patches, with_attention=True)
        torch.testing.assert_close(judged.attention, decoded.attention.mean(0))
        expected = functional.linear(decoded.outputs, *network.head.parameters())[..., 0]
        torch.testing.assert_close(judged.logits, expected)


def test_network__does_not_read_padding():
    network = build()
    ids, mask = random_texts(5)
    noisy = torch.where(mask, ids, 7)
    with torch.no_grad():
        clean, changed = network.encode_text(ids, mask), network.encode_text(noisy, mask)
    torch.testing.assert_close(clean.sentence, changed.sentence, rtol=0, atol=1e-6)
    torch.testing.assert_close(clean.words[mask], changed.words[mask], rtol=0, atol=1e-6)
    assert torch.equal(clean.mask, mask)


def test_network__gives_words_only_where_they_are_wanted():
    network = build(word_features=False)
    assert network.encode_text(*random_texts(2)).words is None
    assert not any(name.startswith("word_projection") for name in network.state_dict())


def test_network__takes_a_text_as_memory():
    network = build()
    queries = random_tensor(3, 16)
    logits = network.decode(queries, random_tensor(4, 1, 16, seed=1)).logits
    assert logits.shape == (4, 3)


def test_network__is_fixed_by_its_seed_and_leaves_the_programs_state():
    before = torch.random.get_rng_state()
    first, again, other = (build(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[k], again[k]) for k in first)
    for part in ("image_tower.", "text_tower.", "decoder.", "head.", "patch_projection."):
        names = [k for k in first if k.startswith(part)]
        assert any(not torch.equal(first[k], other[k]) for k in names)


@pytest.mark.parametrize("kind", ["none", "linear", "mlp"])
def test_describe__projects_as_it_is_told(kind):
    network = build(multi_label_projection=kind)
    pooled = random_tensor(2, 16)
    described = network.describe(pooled)
    assert torch.equal(described, pooled) == (kind == "none")
    network.describe(pooled.requires_grad_()).square().sum().backward()
    assert pooled.grad.abs().sum() > 0


def test_logit_scales__are_learned_apart_and_clamped():
    network = build(temperature=0.1)
    assert set(network.scales) == set(CONTRASTS)
    assert all(network.scales[name]().item() == pytest.approx(10.0) for name in CONTRASTS)
    with torch.no_grad():
        network.scales["global"].log_scale.fill_(9.0)
        network.scales["knowledge"].log_scale.fill_(-1.0)
    network.clamp_logit_scales()
    assert network.scales["global"]().item() == pytest.approx(100.0)
    assert network.scales["knowledge"]().item() == pytest.approx(1.0)


@pytest.mark.parametrize("head", ["binary", "score", "logit"])
def test_network__keeps_logits_in_full_precision_under_autocast(head):
    network = build(decoder=tiny_decoder(head=head), facets=FacetSettings(fusion="attention"))

    def run():
        features = network.encode_image(random_pixels())
        text = network.encode_text(*random_texts(5))
        queries = network.facet_queries(text.sentence, CLASS, KIND, 3)
        return features, text, network.decode(queries, features.patches, with_attention=True)

    with torch.no_grad():
        _, _, expected = run()
        with torch.autocast("cpu", torch.bfloat16):
            features, text, judged = run()
            described = network.describe(features.pooled)
    for value in (features.pooled, text.sentence, judged.logits, judged.attention, described):
        assert value.dtype == torch.float32
    torch.testing.assert_close(judged.logits, expected.logits, rtol=0, atol=0.05)
    torch.testing.assert_close(judged.attention, expected.attention, rtol=0, atol=0.01)


def test_network__learns_to_tell_bright_from_dark():
    network = build(decoder=tiny_decoder(dropout=0.0)).train()
    pixels = torch.cat([random_pixels(8) * 0.4, random_pixels(8) * 0.4 + 0.6])
    labels = torch.tensor([[0.0, 1.0]] * 8 + [[1.0, 0.0]] * 8)
    ids, mask = torch.tensor([[3, 4, 5], [3, 6, 5]]), torch.ones(2, 3, dtype=torch.bool)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    none = torch.zeros(2, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(40):
            text = network.encode_text(ids, mask)
            queries = network.facet_queries(text.sentence, torch.arange(2), none, 2)
            logits = network.decode(queries, network.encode_image(pixels).patches).logits
            loss = functional.binary_cross_entropy_with_logits(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert ((logits > 0) == labels.bool()).all()
    idle = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert idle == {"word_projection", "image_projection", "description_projection", "scales"}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("given", [1, 3])
def test_normalize_pixels__makes_the_channels_that_are_wanted(channels, given):
    pixels = random_pixels(2, given)
    mean, std = (0.1, 0.2, 0.3)[:channels], (0.5, 0.6, 0.7)[:channels]
    normal = normalize_pixels(pixels, channels, mean, std)
    grey = pixels if given == channels else pixels.mean(1, keepdim=True)
    expected = torch.stack(
        [(grey[:, min(c, grey.shape[1] - 1)] - mean[c]) / std[c] for c in range(channels)], dim=1
    )
    torch.testing.assert_close(normal, expected)


def test_normalize_pixels__one_number_serves_all_channels():
    normal = normalize_pixels(random_pixels(), 3, (0.5,), (0.25,))
    torch.testing.assert_close(normal, ((random_pixels() - 0.5) / 0.25).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("shape", [(2, 32, 32), (2, 2, 32, 32), (2, 32, 32, 1)])
def test_network__refuses_pixels_of_another_shape(shape):
    with pytest.raises(ModelError, match="pixels have the shape") as caught:
        build().encode_image(torch.zeros(shape))
    assert caught.value.code == "MV1461"


def test_network__refuses_towers_that_do_not_fit():
    with pytest.raises(ModelError, match="has no projection to 16") as caught:
        build(text=tiny_text(24, projection="none"))
    assert caught.value.code == "MV1407"
    with pytest.raises(ModelError) as caught:
        build(image=TimmTowerSettings(name="no_such_network"))
    assert caught.value.code == "MV1402"


def test_text_norm__takes_from_texts_what_they_share() -> None:
    plain, normed = (
        RadiographNetwork(tiny_model_settings(text_norm=norm), 50, seed=1) for norm in (False, True)
    )
    ids = torch.randint(5, 50, (8, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids, dtype=torch.bool)
    before = plain.train().encode_text(ids, mask).sentence
    after = normed.train().encode_text(ids, mask).sentence
    expected = (before - before.mean(0)) / (before.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-4)
    alone = normed.eval().encode_text(ids[:1], mask[:1]).sentence
    torch.testing.assert_close(alone, normed.encode_text(ids, mask).sentence[:1], atol=1e-5, rtol=0)

"""KAD: names as queries, a space shared with texts, texts as memory."""

import torch
from torch.nn import functional

from medvlp.models.radiograph.kad import KadNetwork
from tests.models.radiograph.tiny_networks import (
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    random_texts,
    tiny_kad,
)

CLASS, KIND = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 0, 0, 0, 1])


def build() -> KadNetwork:
    return KadNetwork(tiny_kad(), VOCAB_SIZE, seed=2).eval()


def test_encode_image__pools_by_the_mean_of_projected_patches():
    network = build()
    with torch.no_grad():
        raw = network.image_features(random_pixels()).patches
        features = network.encode_image(random_pixels())
        expected = network.res_l2(functional.relu(network.res_l1(raw)))
    torch.testing.assert_close(features.patches, expected)
    torch.testing.assert_close(features.pooled, expected.mean(1))


def test_encode_text__is_the_pooler_through_two_layers():
    network = build()
    ids, mask = random_texts(5)
    with torch.no_grad():
        pooled = network.text_tower.bert(ids, mask.long()).pooler_output
        text = network.encode_text(ids, mask)
        expected = network.mlp_embed[2](functional.gelu(network.mlp_embed[0](pooled)))
        queries = network.queries_of(text, CLASS, KIND, 3)
    torch.testing.assert_close(text.sentence, expected)
    means = torch.stack([expected[:2].mean(0), expected[2], expected[3]])
    torch.testing.assert_close(queries, means)


def test_decode__applies_the_last_norm_to_queries_and_patches_first():
    network = build()
    patches, queries = random_tensor(2, 4, 16), random_tensor(3, 16, seed=1)
    with torch.no_grad():
        judged = network.decode(queries, patches, with_attention=True)
        scaled = network.decode(5 * queries + 2, 7 * patches + 1)
        pair = judged.outputs @ network.mlp_head[0].weight.T + network.mlp_head[0].bias
    torch.testing.assert_close(judged.logits, pair[..., 1] - pair[..., 0])
    torch.testing.assert_close(scaled.logits, judged.logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(judged.attention.sum(-1), torch.ones(2, 3))


def test_decode__takes_a_text_as_memory():
    network = build()
    with torch.no_grad():
        text = network.encode_text(*random_texts(5))
        judged = network.decode(random_tensor(3, 16), text.sentence[:, None], with_attention=True)
    assert judged.logits.shape == (5, 3)
    torch.testing.assert_close(judged.attention, torch.ones(5, 3, 1))

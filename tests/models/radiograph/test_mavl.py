"""MAVL: aspects as queries that are judged together, and whole images against aspects."""

import pytest
import torch

from medvlp.models.radiograph.mavl import MavlNetwork, text_scores
from tests.models.radiograph.tiny_networks import (
    VIT,
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    random_texts,
    tiny_decoder,
    tiny_mavl,
)

CLASS, KIND = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([1, 2, 2, 0, 0, 2])


def build(**changes) -> MavlNetwork:
    return MavlNetwork(tiny_mavl(**changes), VOCAB_SIZE, seed=2).eval()


def test_encode_image__projects_the_map_place_by_place():
    network = build()
    with torch.no_grad():
        raw = network.image_features(random_pixels())
        features = network.encode_image(random_pixels())
        first, second = network.res_l1[0], network.res_l2
        hidden = raw.patches @ first.weight[:, :, 0, 0].T + first.bias
        hidden = torch.where(hidden > 0, hidden, network.res_l1[1].weight * hidden)
        expected = hidden @ second.weight[:, :, 0, 0].T + second.bias
        whole = raw.patches.transpose(1, 2).reshape(2, -1, *raw.grid)
    torch.testing.assert_close(features.patches, expected)
    torch.testing.assert_close(features.pooled, network.pool(whole))


@pytest.mark.parametrize(("dim", "projects"), [(16, False), (8, True)])
def test_encode_image__of_a_vision_transformer_pools_by_its_class_token(dim, projects):
    network = build(image=VIT, decoder=tiny_decoder(dim, head="binary"))
    with torch.no_grad():
        token = network.image_features(random_pixels()).pooled
        features = network.encode_image(random_pixels())
    assert network.pool is None
    assert (network.global_l is not None) == projects
    expected = network.global_l(token) if projects else token
    torch.testing.assert_close(features.pooled, expected)


def test_queries__are_definition_and_appearances():
    network = build()
    with torch.no_grad():
        text = network.encode_text(*random_texts(6))
        queries = network.queries_of(text, CLASS, KIND, 3)
    x = text.sentence
    expected = torch.stack(
        [torch.stack([x[0], x[1], x[2]]), x[3].expand(3, -1), torch.stack([x[4], x[5], x[5]])]
    )
    torch.testing.assert_close(queries, expected)


def test_decode__judges_all_aspects_of_a_finding_together():
    network = build()
    queries, patches = random_tensor(4, 3, 16), random_tensor(2, 5, 16, seed=1)
    with torch.no_grad():
        judged = network.decode(queries, patches, with_attention=True)
        decoded = network.decoder(queries.flatten(0, 1), patches, with_attention=True)
        pair = network.presence_pair(judged.outputs)
        located = network.locate(judged.outputs)
        shares = network.contributions(judged.outputs)
    weight, bias = network.classifier.weight, network.classifier.bias
    for b in range(2):
        for c in range(4):
            mine = decoded.outputs[b, 3 * c : 3 * c + 3]
            torch.testing.assert_close(judged.outputs[b, c], mine)
            expected = weight @ mine.flatten() + bias
            torch.testing.assert_close(pair[b, c], expected)
            torch.testing.assert_close(judged.logits[b, c], expected[1] - expected[0])
            torch.testing.assert_close(shares[b, c].sum() + bias[1], expected[1])
            place = sum(network.location_emb.weight[:, :, k] @ mine[k] for k in range(3))
            torch.testing.assert_close(located[b, c], place + network.location_emb.bias)
            maps = decoded.attention[:, b, 3 * c : 3 * c + 3]
            torch.testing.assert_close(judged.attention[b, c], maps.mean((0, 1)))


def test_cosines__compare_images_with_aspects_without_temperature():
    network = build()
    pooled, queries = random_tensor(2, 16), random_tensor(4, 3, 16, seed=1)
    cosines = network.cosines(pooled, queries)
    assert cosines.shape == (2, 3, 4)
    expected = torch.nn.functional.cosine_similarity(pooled[1], queries[2, 0], dim=0)
    torch.testing.assert_close(cosines[1, 0, 2], expected)


def test_text_scores__compare_with_what_means_health():
    # One image, one aspect, three findings: the last is nearer to the image than health is.
    cosines = torch.tensor([[[0.1, 0.3, 0.5]]])
    scores = text_scores(cosines)
    expected = torch.sigmoid(torch.tensor([[0.0, 0.2, 0.4], [-0.2, 0.0, 0.2]])).mean(0)
    torch.testing.assert_close(scores, expected[None])
    assert text_scores(cosines, (0,))[0, 0].item() == 0.5

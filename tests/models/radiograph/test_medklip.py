"""MedKLIP: descriptions as queries, two logits, vectors for the location loss."""

import torch
from torch.nn import functional

from medvlp.models.radiograph.medklip import MedklipNetwork
from tests.models.radiograph.tiny_networks import (
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    random_texts,
    tiny_medklip,
)

CLASS, KIND = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 0, 0, 2])


def build() -> MedklipNetwork:
    return MedklipNetwork(tiny_medklip(), VOCAB_SIZE, seed=2).eval()


def test_encode_image__projects_the_map_and_pools_by_the_mean():
    network = build()
    with torch.no_grad():
        raw = network.image_features(random_pixels()).patches
        features = network.encode_image(random_pixels())
        expected = network.res_l2(functional.relu(network.res_l1(raw)))
    torch.testing.assert_close(features.patches, expected)
    torch.testing.assert_close(features.pooled, expected.mean(1))


def test_queries__are_first_tokens_of_descriptions():
    network = build()
    ids, mask = random_texts(5)
    with torch.no_grad():
        text = network.encode_text(ids, mask)
        first = network.text_tower.bert(ids, mask.long()).last_hidden_state[:, 0]
        queries = network.queries_of(text, CLASS, KIND, 3)
        expected = network.disease_embedding_layer(first[[1, 2, 3]])
    assert text.words is None
    torch.testing.assert_close(queries, expected)


def test_decode__logit_is_that_of_the_softmax_over_two():
    network = build()
    patches, queries = random_tensor(2, 4, 16), random_tensor(3, 16, seed=1)
    with torch.no_grad():
        judged = network.decode(queries, patches)
        pair = network.presence_pair(judged.outputs)
        expected = judged.outputs @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(pair, expected)
    torch.testing.assert_close(judged.logits.sigmoid(), pair.softmax(-1)[..., 1])


def test_locate__is_linear_to_the_space_of_texts():
    network = build()
    outputs = random_tensor(2, 3, 16)
    expected = outputs @ network.cl_fc.weight.T + network.cl_fc.bias
    torch.testing.assert_close(network.locate(outputs), expected)
    assert network.locate(outputs).shape == (2, 3, 24)

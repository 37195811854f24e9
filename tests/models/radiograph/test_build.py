"""Any network from its settings: the same interface, the same behaviour under autocast."""

import pytest
import torch

from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.carzero import CarzeroNetwork
from medvlp.models.radiograph.kad import KadNetwork
from medvlp.models.radiograph.mavl import MavlNetwork
from medvlp.models.radiograph.medklip import MedklipNetwork
from medvlp.models.radiograph.network import RadiographNetwork
from tests.models.radiograph.tiny_networks import (
    VOCAB_SIZE,
    random_pixels,
    random_texts,
    tiny_carzero,
    tiny_kad,
    tiny_mavl,
    tiny_medklip,
    tiny_model_settings,
)

NETWORKS = [
    (tiny_medklip(), MedklipNetwork, False),
    (tiny_kad(), KadNetwork, True),
    (tiny_mavl(), MavlNetwork, True),
    (tiny_carzero(), CarzeroNetwork, False),
    (tiny_model_settings(), RadiographNetwork, True),
]
CLASS, KIND = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 0, 0, 2, 2])


def run(network):
    features = network.encode_image(random_pixels())
    text = network.encode_text(*random_texts(6))
    queries = network.queries_of(text, CLASS, KIND, 3)
    return features, text, network.decode(queries, features.patches, with_attention=True)


@pytest.mark.parametrize(("settings", "kind", "has_shared_space"), NETWORKS)
def test_build__every_network_judges_findings_from_texts(settings, kind, has_shared_space):
    network = build_finding_network(settings, VOCAB_SIZE, seed=1).eval()
    assert type(network) is kind
    assert network.has_shared_space == has_shared_space
    with torch.no_grad():
        features, text, judged = run(network)
    rows, columns = features.grid
    assert features.pooled.shape == (2, network.dim)
    assert text.sentence.shape == (6, network.dim)
    assert judged.logits.shape == (2, 3)
    assert judged.attention.shape == (2, 3, rows * columns)
    assert (judged.attention >= 0).all()
    queries = network.queries_of(text, CLASS, KIND, 3)
    plain = network.decode(queries, features.patches)
    assert plain.attention is None
    torch.testing.assert_close(plain.logits, judged.logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("settings", "kind", "has_shared_space"), NETWORKS)
def test_build__logits_are_fp32_under_autocast(settings, kind, has_shared_space):
    network = build_finding_network(settings, VOCAB_SIZE, seed=1).eval()
    with torch.no_grad():
        _, _, expected = run(network)
        with torch.autocast("cpu", torch.bfloat16):
            features, text, judged = run(network)
    for value in (features.pooled, text.sentence, judged.logits, judged.attention):
        assert value.dtype == torch.float32
    torch.testing.assert_close(judged.logits, expected.logits, rtol=0, atol=0.05)


@pytest.mark.parametrize(("settings", "kind", "has_shared_space"), NETWORKS)
def test_build__is_fixed_by_its_seed(settings, kind, has_shared_space):
    before = torch.random.get_rng_state()
    first, again, other = (
        build_finding_network(settings, VOCAB_SIZE, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize(("settings", "kind", "has_shared_space"), NETWORKS)
def test_build__every_part_but_spare_ones_learns_from_the_logits(settings, kind, has_shared_space):
    network = build_finding_network(settings, VOCAB_SIZE).train()
    _, _, judged = run(network)
    judged.logits.square().sum().backward()
    idle = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert idle <= {
        *("cl_fc", "location_emb", "temp", "pool", "scales"),
        *("word_projection", "image_projection", "description_projection"),
    } | ({"text_tower"} if kind is CarzeroNetwork else set())

"""Sizes of the released networks, and combinations that they do not have."""

import pytest
from pydantic import TypeAdapter

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.models.radiograph.released_settings import (
    CarzeroSettings,
    FindingNetworkSettings,
    KadSettings,
    MavlSettings,
    MedklipSettings,
)
from medvlp.models.radiograph.settings import RadiographModelSettings
from tests.models.radiograph.tiny_networks import (
    tiny_carzero,
    tiny_kad,
    tiny_mavl,
    tiny_medklip,
    tiny_model_settings,
)

KINDS = [
    (tiny_medklip(), "medklip"),
    (tiny_kad(), "kad"),
    (tiny_mavl(), "mavl"),
    (tiny_carzero(), "carzero"),
    (tiny_model_settings(), "facet-queries"),
]


@pytest.mark.parametrize(("settings", "architecture"), KINDS)
def test_settings__are_told_apart_by_their_architecture(settings, architecture):
    document = settings.model_dump(mode="json")
    assert document["architecture"] == architecture
    adapter = TypeAdapter(FindingNetworkSettings)
    assert adapter.validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("settings", "width", "self_attention", "shared_norm"),
    [
        (MedklipSettings(), 256, True, False),
        (KadSettings(), 768, True, True),
        (MavlSettings(), 256, True, False),
        (CarzeroSettings(), 768, False, True),
    ],
)
def test_settings__are_the_released_sizes(settings, width, self_attention, shared_norm):
    decoder = settings.decoder
    assert (decoder.dim, decoder.layers, decoder.heads, decoder.ffn) == (width, 4, 4, 1024)
    assert (decoder.self_attention, decoder.shared_norm) == (self_attention, shared_norm)
    assert settings.text.width == 768
    assert settings.input_px == 224


@pytest.mark.parametrize(
    ("model", "document", "what"),
    [
        (MedklipSettings, {"decoder": {"head": "logit"}}, "MedKLIP has two logits"),
        (KadSettings, {"decoder": {"dim": 768, "head": "score"}}, "KAD has two logits"),
        (KadSettings, {"decoder": {"dim": 256, "head": "binary"}}, "KAD's text tower is as wide"),
        (MavlSettings, {"decoder": {"head": "score"}}, "MAVL has two logits"),
        (CarzeroSettings, {"decoder": {"dim": 768}}, "CARZero has one number"),
        (CarzeroSettings, {"decoder": {"dim": 64, "head": "score"}}, "CARZero's text tower"),
        (CarzeroSettings, {"num_slots": 90}, "has fewer places than tokens"),
        (CarzeroSettings, {"last_layers": 14}, "is more than 13"),
        (MavlSettings, {"num_aspects": 0}, "num_aspects"),
        (RadiographModelSettings, {"architecture": "kad"}, "architecture"),
    ],
)
def test_settings__refuse_what_the_network_does_not_have(model, document, what):
    with pytest.raises(ConfigError) as caught:
        parse_model(document, model, source="file.yaml")
    assert caught.value.code == "MV1002"
    assert what in str(caught.value)

"""Settings of networks for radiographs: read strictly, refused where they do not go together."""

import pytest
from pydantic import TypeAdapter

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.models.radiograph.settings import (
    QueryDecoderSettings,
    RadiographModelSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)
from tests.models.radiograph.tiny_networks import tiny_model_settings


def test_model_settings__survive_a_document():
    settings = tiny_model_settings(image=ResNetTowerSettings(architecture="resnet50", stage=3))
    assert parse_model(settings.model_dump(mode="json"), RadiographModelSettings, source="x") == (
        settings
    )
    adapter = TypeAdapter(RadiographModelSettings)
    assert adapter.validate_json(settings.model_dump_json()) == settings


def test_model_settings__choose_the_tower_by_its_architecture():
    document = {"image": {"architecture": "resnet18", "stage": 3}}
    assert parse_model(document, RadiographModelSettings, source="x").image == (
        ResNetTowerSettings(architecture="resnet18", stage=3)
    )
    document = {"image": {"architecture": "timm", "name": "vit_base_patch16_224", "depth": 3}}
    assert parse_model(document, RadiographModelSettings, source="x").image == (
        TimmTowerSettings(depth=3)
    )


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"dim": 128}, "the decoder is 256 wide, the shared space 128"),
        ({"decoder": {"heads": 3}}, "3 heads do not divide dim 256"),
        ({"facets": {"kinds": ["name", "name"]}}, "names a kind twice"),
        ({"facets": {"kinds": []}}, "facets.kinds"),
        ({"facets": {"kinds": ["picture"]}}, "facets.kinds"),
        ({"channels": 2}, "channels"),
        ({"mean": [0.5, 0.5]}, "has 2 numbers for 1 channels"),
        ({"channels": 3, "std": [0.2, 0.2]}, "has 2 numbers for 3 channels"),
        ({"std": [0.0]}, "std"),
        ({"image": {"architecture": "resnet18", "stage": 2}}, "stage"),
        ({"image": {"architecture": "resnet19"}}, "image"),
        ({"decoder": {"head": "two"}}, "decoder.head"),
        ({"image": {}}, "image"),
        ({"wide": 1}, "wide is not a known key"),
    ],
)
def test_model_settings__refuse_what_does_not_go_together(document, what):
    document = {"image": {"architecture": "resnet18"}, **document}
    with pytest.raises(ConfigError) as caught:
        parse_model(document, RadiographModelSettings, source="file.yaml")
    assert caught.value.code in {"MV1001", "MV1002"}
    assert what in str(caught.value)


def test_timm_options__leave_to_the_architecture_what_is_not_given():
    assert TimmTowerSettings().options() == {}
    settings = TimmTowerSettings(width=48, heads=3, depth=2, pooling="mean")
    assert settings.options() == {"embed_dim": 48, "num_heads": 3, "depth": 2}


def test_decoder_settings__are_those_that_the_released_networks_share():
    settings = QueryDecoderSettings()
    assert (settings.layers, settings.heads, settings.ffn, settings.dropout) == (4, 4, 1024, 0.1)

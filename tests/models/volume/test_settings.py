"""Settings of networks for scans: what is read back, and what is refused."""

import pytest
from pydantic import TypeAdapter

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError
from medvlp.models.volume.settings import (
    InflatedVitSettings,
    MonaiResNetSettings,
    ResNet3dSettings,
    SegResNetSettings,
    SwinUnetrSettings,
    VolumeHeadSettings,
    VolumeTowerSettings,
)


class Holder(StrictModel):
    """Something that holds a network, as a bundle does."""

    tower: VolumeTowerSettings


@pytest.mark.parametrize(
    "settings",
    [
        ResNet3dSettings(depth=34, cut_shortcut_gradient=True, width=8),
        MonaiResNetSettings(depth=152, widen=0.5),
        SwinUnetrSettings(feature_size=12, blocks=(1, 2, 3, 4), use_v2=True),
        SegResNetSettings(init_filters=8, blocks=(1, 2), norm="instance"),
        InflatedVitSettings(model="test_vit", patch_zyx=(2, 4, 8), inflation="mean"),
    ],
    ids=lambda settings: settings.architecture,
)
def test_volume_tower_settings__are_read_back_as_what_they_were(settings):
    document = {"tower": settings.model_dump(mode="json")}
    assert parse_model(document, Holder, source="x.yaml").tower == settings


def test_volume_tower_settings__are_those_of_the_releases_by_default():
    assert ResNet3dSettings().model_dump() == {
        "architecture": "resnet3d",
        "depth": 18,
        "shortcut": "A",
        "cut_shortcut_gradient": False,
        "width": 64,
    }
    assert SegResNetSettings().blocks == (1, 2, 2, 4, 4)


@pytest.mark.parametrize(
    ("tower", "code", "phrase"),
    [
        ({"architecture": "resnet4d"}, "MV1002", "resnet4d"),
        ({"depth": 18}, "MV1002", "tower"),
        ({"architecture": "resnet3d", "depth": 19}, "MV1002", "depth=19 is not valid"),
        ({"architecture": "resnet3d", "heads": 2}, "MV1001", "tower.heads is not a known key"),
        (
            {"architecture": "resnet3d", "shortcut": "B", "cut_shortcut_gradient": True},
            "MV1002",
            "cut_shortcut_gradient: has no effect on shortcuts of type B",
        ),
        ({"architecture": "swin-unetr", "feature_size": 20}, "MV1002", "feature_size=20"),
        (
            {"architecture": "swin-unetr", "heads": [3, 6, 12, 25]},
            "MV1002",
            "25 heads do not divide the 384 channels of stage 4",
        ),
        ({"architecture": "segresnet", "blocks": []}, "MV1002", "blocks"),
        ({"architecture": "vit", "patch_zyx": [4, 16]}, "MV1002", "patch_zyx"),
    ],
)
def test_volume_tower_settings__refuse_what_does_not_fit(tower, code, phrase):
    with pytest.raises(ConfigError) as caught:
        parse_model({"tower": tower}, Holder, source="x.yaml")
    assert caught.value.code == code
    assert phrase in str(caught.value)
    assert "x.yaml" in str(caught.value)


def test_volume_tower_settings__state_a_schema_for_each_network():
    schema = TypeAdapter(VolumeTowerSettings).json_schema()
    named = {"monai-resnet", "resnet3d", "segresnet", "swin-unetr", "vit"}
    assert named <= set(schema["discriminator"]["mapping"])


@pytest.mark.parametrize(
    ("head", "phrase"),
    [
        ({"projection": "linear"}, "dim: is missing with projection: linear"),
        ({"projection": "none", "dim": 8}, "dim: is given with projection: none"),
        ({"projection": "mlp", "dim": 8}, "hidden: is missing with projection: mlp"),
        ({"projection": "linear", "dim": 8, "hidden": 4}, "hidden: is given with"),
        ({"projection": "mlp", "dim": 8, "hidden": 4, "bias": False}, "bias: has no effect"),
    ],
)
def test_volume_head_settings__refuse_widths_without_effect(head, phrase):
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_model(head, VolumeHeadSettings, source="x.yaml")
    assert caught.value.code == "MV1002"

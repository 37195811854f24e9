"""Settings of a dual encoder are checked before anything is built."""

import pytest

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings


def parse(**changes) -> DualEncoderSettings:
    document = {"image": {"architecture": "test_resnet"}, "text": {"width": 64}, **changes}
    return parse_model(document, DualEncoderSettings, source="model.yaml")


def test_settings__fill_in_what_is_left_out():
    settings = parse()
    assert (settings.text.width, settings.text.layers, settings.embed_dim) == (64, 2, 256)


def test_options__hold_only_what_was_set():
    assert ImageTowerSettings(architecture="x").options() == {}
    chosen = ImageTowerSettings(architecture="x", img_size=96, global_pool="avg")
    assert chosen.options() == {"img_size": 96, "global_pool": "avg"}


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"embed_dims": 8}, r"embed_dims is not a known key \(did you mean 'embed_dim'\?\)"),
        ({"text": {"width": 64, "heads": 3}}, "3 heads do not divide width 64"),
        ({"image": {}}, "image.architecture is missing"),
        ({"image": {"architecture": "x", "pretrained": True}}, "image.pretrained is not a known"),
        ({"image": {"architecture": "x", "checkpoint_path": "w.pt"}}, "not a known key"),
        ({"text": {"layers": 10**9}}, "text.layers=1000000000 is not valid"),
        ({"temperature": 0.0}, "temperature=0.0 is not valid"),
    ],
)
def test_settings__refuse_what_cannot_be(changes, phrase):
    with pytest.raises(ConfigError, match=phrase):
        parse(**changes)

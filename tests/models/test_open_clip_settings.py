"""Settings of open_clip's towers are checked before anything is built."""

import pytest

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.models.open_clip_settings import BertSettings, OpenClipSettings
from tests.models.conftest import TINY_CLIP

TINY_BERT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def parse(**changes) -> OpenClipSettings:
    document = {"library": "open_clip", "model": TINY_CLIP, **changes}
    return parse_model(document, OpenClipSettings, source="medvlp.json")


def with_bert(**changes) -> dict:
    return {**TINY_CLIP, "text_cfg": {"hf_model_name": "some/bert", **changes}}


def test_settings__tell_clips_text_tower_from_bert():
    assert not parse().has_bert
    bert = parse(model=with_bert(), text_model=TINY_BERT)
    assert bert.has_bert
    assert bert.text_model == BertSettings(**TINY_BERT)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"model": {**TINY_CLIP, "multimodal_cfg": {}}}, r"unknown keys \['multimodal_cfg'\]"),
        ({"model": {"embed_dim": 3, "vision_cfg": {}}}, r"lacks \['text_cfg'\]"),
        ({"model": {**TINY_CLIP, "text_cfg": 3}}, r"model\.text_cfg: is not an object"),
        ({"model": with_bert()}, "text_model: is missing"),
        ({"text_model": TINY_BERT}, "is given for CLIP's own text tower"),
        ({"max_tokens": 0}, "max_tokens=0"),
        (
            {"model": {**TINY_CLIP, "text_cfg": {"layers": 10**9}}},
            r"model\.text_cfg\.layers: 1000000000",
        ),
        (
            {"model": {**TINY_CLIP, "vision_cfg": {"layers": [3, "x"]}}},
            r"model\.vision_cfg\.layers: 'x'",
        ),
        ({"model": with_bert(), "text_model": {"hidden_act": "relu"}}, "hidden_act='relu'"),
        ({"model": with_bert(), "text_model": {"auto_map": {}}}, "auto_map is not a known key"),
    ],
)
def test_settings__refuse_what_cannot_be(changes, phrase):
    with pytest.raises(ConfigError, match=phrase):
        parse(**changes)

"""open_clip's settings are checked and written with weights in float32."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.importers.open_clip_parts import (
    OpenClipParts,
    open_clip_settings,
    write_open_clip_bundle,
)
from medvlp.models.importers.records import ImportRequest, Origin
from medvlp.models.open_clip_build import build_open_clip
from medvlp.models.weights import read_safetensors
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.types import ImagePreprocessing
from tests.models.conftest import TINY_CLIP

ENDS = {"a": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}
ORIGIN = Origin(name="x", data="y", license="z", notes=("Mind this.",))


def test_open_clip_settings__drop_what_would_fetch_weights():
    model = {
        **TINY_CLIP,
        "vision_cfg": {**TINY_CLIP["vision_cfg"], "timm_model_pretrained": True},
        "text_cfg": {**TINY_CLIP["text_cfg"], "hf_model_pretrained": True},
    }
    settings = open_clip_settings(model, None, "x")
    assert "timm_model_pretrained" not in settings.vision_config
    assert "hf_model_pretrained" not in settings.text_config
    assert model["vision_cfg"]["timm_model_pretrained"]


@pytest.mark.parametrize("model", [{}, {**TINY_CLIP, "text_cfg": 3}, {**TINY_CLIP, "novelty": 1}])
def test_open_clip_settings__refuse_others(model):
    with pytest.raises(ModelError) as caught:
        open_clip_settings(model, None, "open_clip_config.json")
    assert caught.value.code == "MV2101"
    assert "open_clip_config.json" in caught.value.what


def test_write_open_clip_bundle__writes_float32(tmp_path):
    model = {**TINY_CLIP, "text_cfg": {**TINY_CLIP["text_cfg"], "vocab_size": 4}}
    settings = open_clip_settings(model, None, "x")
    state = build_open_clip(settings).half().state_dict()
    parts = OpenClipParts(
        settings=settings,
        tensors=state,
        tokenizer=ClipTokenizer(ENDS, []),
        preprocessing=ImagePreprocessing(
            input_px=32, resize_px=32, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        files=(),
    )
    request = ImportRequest(source="x", out=tmp_path / "b", name="mine")
    report = write_open_clip_bundle(request, ORIGIN, parts)
    written = read_safetensors(report.folder / "model.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {torch.float32}
    assert report.num_weights == sum(tensor.numel() for tensor in state.values())
    assert load_bundle(report.folder).name == "mine"
    assert report.notes[0] == "Mind this."

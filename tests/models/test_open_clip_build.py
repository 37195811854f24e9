"""open_clip's modules are built from settings alone and give open_clip's own features."""

import json

import numpy as np
import open_clip
import pytest
import torch
from transformers import BertConfig, BertModel

from medvlp.errors import ModelError
from medvlp.models.open_clip_build import (
    build_open_clip,
    check_tokenizer_kind,
    open_clip_text_encoder,
)
from medvlp.models.open_clip_settings import BertSettings, OpenClipSettings
from medvlp.text.clip_tokenizer import ClipTokenizer
from tests.models.conftest import TINY_CLIP, filled_randomly

BERT = BertSettings(
    vocab_size=120, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
)
BERT_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"timm_model_name": "test_resnet", "timm_proj": "linear", "image_size": 48},
    "text_cfg": {
        "hf_model_name": "nobody/nothing",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 24,
    },
}
TEXTS = ["clear cell renal cell carcinoma", "Normal &amp; healthy renal tissue"]


@pytest.fixture(scope="module")
def clip_tokenizer() -> ClipTokenizer:
    simple = open_clip.tokenizer.SimpleTokenizer()
    return ClipTokenizer(simple.encoder, list(simple.bpe_ranks))


def test_build_open_clip__builds_clip_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    settings = OpenClipSettings(model=TINY_CLIP)
    first, second = build_open_clip(settings), build_open_clip(settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert type(first) is open_clip.CLIP
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])


def test_open_clip_text_encoder__gives_clips_own_text_features(clip_tokenizer):
    settings = OpenClipSettings(model=TINY_CLIP)
    model = filled_randomly(build_open_clip(settings)).eval()
    with torch.inference_mode():
        tokens = open_clip.tokenizer.SimpleTokenizer()(TEXTS)
        expected = model.encode_text(tokens, normalize=True).numpy()
    encoder = open_clip_text_encoder("x", model, settings, clip_tokenizer, "cpu")
    np.testing.assert_allclose(encoder.embed(TEXTS), expected, rtol=0, atol=1e-6)


def test_build_open_clip__builds_bert_without_the_hub(tokenizer):
    settings = OpenClipSettings(model=BERT_CLIP, text_model=BERT, max_tokens=24)
    model = filled_randomly(build_open_clip(settings)).eval()
    assert type(model) is open_clip.CustomTextCLIP
    assert model.text.transformer.pooler is None
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    sizes = {name: getattr(BERT, name) for name in names}
    config = BertConfig(**sizes, intermediate_size=48, pad_token_id=0)
    peer = BertModel(config, add_pooling_layer=False).eval()
    peer.load_state_dict(model.text.transformer.state_dict())
    tokens = tokenizer.encode(["normal & healthy renal tissue"], 24)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask).long()
    with torch.inference_mode():
        first = peer(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        expected = torch.nn.functional.normalize(model.text.proj(first), dim=-1).numpy()
    encoder = open_clip_text_encoder("x", model, settings, tokenizer, "cpu")
    np.testing.assert_allclose(encoder.embed(TEXTS[1:]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("part", "change", "code"),
    [
        ("vision_cfg", {"timm_model_name": "test_resnett"}, "MV1402"),
        ("vision_cfg", {"timm_model_name": "hf-hub:someone/model"}, "MV1402"),
        ("vision_cfg", {"layerz": 3}, "MV1407"),
        ("text_cfg", {"hf_pooler_type": "no_such_pooler"}, "MV1407"),
    ],
)
def test_build_open_clip__refuses_what_the_library_cannot_build(part, change, code):
    model = json.loads(json.dumps(BERT_CLIP))
    model[part].update(change)
    with pytest.raises(ModelError) as caught:
        build_open_clip(OpenClipSettings(model=model, text_model=BERT))
    assert caught.value.code == code


def test_check_tokenizer_kind__wants_word_pieces_for_bert_only(tokenizer, clip_tokenizer):
    clip, bert = (
        OpenClipSettings(model=TINY_CLIP),
        OpenClipSettings(model=BERT_CLIP, text_model=BERT),
    )
    check_tokenizer_kind(clip, clip_tokenizer, "x")
    check_tokenizer_kind(bert, tokenizer, "x")
    with pytest.raises(ModelError, match="x is a WordPiece tokenizer"):
        check_tokenizer_kind(clip, tokenizer, "x")
    with pytest.raises(ModelError, match="x is a byte-pair tokenizer"):
        check_tokenizer_kind(bert, clip_tokenizer, "x")

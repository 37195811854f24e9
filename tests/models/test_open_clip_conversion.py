"""Weights that are changed on the way to open_clip stay the same function."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.importers.keep import keep_settings, meta_state
from medvlp.models.open_clip_build import build_open_clip
from medvlp.models.open_clip_conversion import to_open_clip
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.tokenizer import CaptionTokenizer
from tests.models.conftest import TINY_CLIP, filled_randomly

CLIP_TOKENIZER = ClipTokenizer({"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}, [])
TEXT = TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16, positions=20)


def test_to_open_clip__leaves_models_of_open_clip_as_they_are():
    settings = OpenClipSettings(model=TINY_CLIP)
    form = to_open_clip(settings, {"a": torch.ones(1)}, 32, CLIP_TOKENIZER)
    assert form.settings == settings
    assert form.state == {"a": torch.ones(1)}
    assert form.notes == ()


def test_to_open_clip__keeps_the_function_of_layer_scale_and_head(tokenizer):
    image = ImageTowerSettings(architecture="test_vit", init_values=0.5, projection="mlp")
    settings = DualEncoderSettings(embed_dim=24, image=image, text=TEXT)
    model = filled_randomly(DualEncoder(settings, tokenizer.vocab_size)).eval()
    form = to_open_clip(settings, model.state_dict(), 160, tokenizer)
    peer = build_open_clip(form.settings).eval()
    peer.load_state_dict(form.state, strict=True)
    pixels = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(
            peer.encode_image(pixels), model.project_image(pixels), rtol=1e-5, atol=1e-5
        )
    assert len(form.notes) == 2
    assert form.settings.text_model is not None
    assert form.settings.text_model.max_position_embeddings == 20
    assert form.settings.max_tokens == 16
    assert not any(name.endswith("gamma") for name in form.state)


def test_to_open_clip__leaves_the_weights_of_the_bundle_alone(tokenizer):
    image = ImageTowerSettings(architecture="test_vit", init_values=0.5, projection="mlp")
    settings = DualEncoderSettings(embed_dim=24, image=image, text=TEXT)
    state = DualEncoder(settings, tokenizer.vocab_size).state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    to_open_clip(settings, state, 160, tokenizer)
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], before[name]) for name in state)


def test_to_open_clip__refuses_weights_of_another_architecture(tokenizer):
    image = ImageTowerSettings(architecture="test_resnet")
    settings = DualEncoderSettings(embed_dim=24, image=image, text=TEXT)
    state = dict(DualEncoder(settings, tokenizer.vocab_size).state_dict())
    state["image_tower.extra"] = torch.ones(1)
    with pytest.raises(ModelError, match=r"1 of the weights \('visual\.trunk\.extra'\)") as caught:
        to_open_clip(settings, state, 48, tokenizer)
    assert caught.value.code == "MV2110"


def test_to_open_clip__refuses_byte_pairs_with_bert():
    image = ImageTowerSettings(architecture="test_resnet")
    settings = DualEncoderSettings(embed_dim=24, image=image, text=TEXT)
    with pytest.raises(ModelError, match="byte-pair tokenizer with a BERT"):
        to_open_clip(settings, {}, 48, CLIP_TOKENIZER)


def test_to_open_clip__has_a_place_for_keep_at_its_published_sizes():
    vision = {"img_size": 224, "patch_size": 16, "hidden_size": 1024, "num_heads": 16}
    vision.update(num_layers=24, mlp_ratio=4.0, init_values=1e-5)
    config = {"vision_config": vision, "text_config": {}, "projection_dim": 768}
    settings, vocab_size = keep_settings(config, "config.json")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *(f"piece{number}" for number in range(vocab_size - 5))]
    tokenizer = CaptionTokenizer({piece: index for index, piece in enumerate(pieces)})
    state = {n: torch.empty(s, device="meta") for n, s in meta_state(settings, vocab_size).items()}
    form = to_open_clip(settings, state, 224, tokenizer)
    assert form.state["visual.head.mlp.fc1.weight"].shape == (1536, 1024)
    assert form.settings.text_config["hf_pooler_type"] == "cls_pooler"
    assert form.settings.text_config["hf_proj_type"] is None
    assert form.settings.max_tokens == 256

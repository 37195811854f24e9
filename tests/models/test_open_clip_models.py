"""open_clip's dual encoders load by every kind of name, and give open_clip's own features."""

import json
import logging
import shutil

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from PIL import Image

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.open_clip_models import load_open_clip, load_open_clip_folder
from medvlp.pixels import prepare_image
from tests.models.conftest import TINY_CLIP, filled_randomly, random_images
from tests.models.importers.releases import TEXTS, write_biomedclip


@pytest.fixture
def tiny_name(monkeypatch) -> str:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-clip", TINY_CLIP)
    return "tiny-clip"


def test_load_open_clip_folder__gives_the_features_of_a_plain_open_clip_script(open_clip_folder):
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{open_clip_folder}")
    images = random_images(2, 90, 71)
    texts = ["clear cell carcinoma", "normal tissue"]
    tokens = open_clip.get_tokenizer(f"local-dir:{open_clip_folder}")(texts)
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        expected_image = model.eval().encode_image(batch, normalize=True)
        expected_text = model.encode_text(tokens, normalize=True)

    loaded = load_open_clip_folder("x", open_clip_folder)
    encoder = loaded.image_encoder("cpu", "fp32")
    prepared = np.stack([prepare_image(image, encoder.preprocessing) for image in images])
    actual_image = encoder.embed(torch.from_numpy(prepared))
    actual_text = loaded.text_encoder("cpu").embed(texts)
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    np.testing.assert_allclose(actual_text, expected_text.numpy(), rtol=0, atol=1e-5)
    assert encoder.is_projected
    assert encoder.is_normalized
    assert not encoder.is_random
    assert loaded.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)


def test_load_open_clip__takes_a_file_of_weights(open_clip_folder, tiny_name):
    path = open_clip_folder / "open_clip_model.safetensors"
    by_file = load_open_clip("x", f"{tiny_name}/{path}").image_encoder("cpu", "fp32")
    by_folder = load_open_clip_folder("x", open_clip_folder).image_encoder("cpu", "fp32")
    assert by_file.weights_sha256 == by_folder.weights_sha256
    assert not by_file.is_random


def test_load_open_clip__without_weights_is_random_and_the_same_each_time(tiny_name):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = load_open_clip("x", tiny_name).image_encoder("cpu", "fp32")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = load_open_clip("x", tiny_name).image_encoder("cpu", "fp32")
    assert first.is_random
    assert first.weights_sha256 == second.weights_sha256


def test_image_encoder__is_named_by_its_image_weights_only(open_clip_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(open_clip_folder, folder)
    path = folder / "open_clip_model.safetensors"
    state = safetensors.torch.load_file(path)

    def hash_with(name: str) -> str:
        changed = {**state, name: state[name] + 1.0}
        safetensors.torch.save_file(changed, path)
        return load_open_clip_folder("x", folder).image_encoder("cpu", "fp32").weights_sha256

    original = load_open_clip_folder("x", folder).image_encoder("cpu", "fp32").weights_sha256
    assert hash_with("token_embedding.weight") == original
    assert hash_with("visual.conv1.weight") != original


@pytest.mark.parametrize(
    ("spec", "phrase", "code"),
    [
        ("ViT-B-31", r"no architecture 'ViT-B-31' \(did you mean 'ViT-B-", "MV1402"),
        ("ViT-B-32-quickgelu/opena", r"\(did you mean 'openai'\?\)", "MV1402"),
        ("ViT-B-32/openai", r"quick_gelu=True .* use open_clip:ViT-B-32-quickgelu/op", "MV1402"),
        ("ViT-B-32/w.pt", "pickle", "MV1406"),
        ("ViT-B-32/w.safetensors", "does not exist", "MV1403"),
    ],
)
def test_load_open_clip__refuses_with_the_nearest_name(spec, phrase, code):
    with pytest.raises(ModelError, match=phrase) as caught:
        load_open_clip(f"open_clip:{spec}", spec)
    assert caught.value.code == code


def test_load_open_clip__says_when_trained_weights_cannot_be_fetched(monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", offline)
    with pytest.raises(ModelError, match="cannot load") as caught:
        load_open_clip("open_clip:x", "ViT-B-32/laion2b_s34b_b79k")
    assert caught.value.code == "MV1409"
    assert "cache" in caught.value.hint


def test_load_open_clip_folder__refuses_nan_in_either_tower(open_clip_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(open_clip_folder, folder)
    path = folder / "open_clip_model.safetensors"
    state = safetensors.torch.load_file(path)
    bad = {**state, "text_projection": torch.full_like(state["text_projection"], torch.nan)}
    safetensors.torch.save_file(bad, path)
    with pytest.raises(ModelError, match="'text_projection' holds 1024 values") as caught:
        load_open_clip_folder("x", folder).text_encoder("cpu")
    assert caught.value.code == "MV1405"


@pytest.mark.parametrize("damage", ["no weights", "cut weights", "other weights", "bad config"])
def test_load_open_clip_folder__refuses_a_damaged_folder(open_clip_folder, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(open_clip_folder, folder)
    path = folder / "open_clip_model.safetensors"
    if damage == "no weights":
        path.unlink()
    elif damage == "cut weights":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "other weights":
        safetensors.torch.save_file({"a": torch.ones(1)}, path)
    else:
        (folder / "open_clip_config.json").write_text(json.dumps({"preprocess_cfg": {}}))
    with pytest.raises(ModelError) as caught:
        load_open_clip_folder("x", folder)
    assert caught.value.code == ("MV1403" if damage == "no weights" else "MV1409")


def test_load_open_clip__leaves_the_root_logger_alone(tiny_name, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    load_open_clip("x", tiny_name)
    assert root.handlers == []


def test_filled_randomly__changes_every_weight():
    plain = open_clip.CLIP(**TINY_CLIP).visual.state_dict()
    filled = filled_randomly(open_clip.CLIP(**TINY_CLIP)).visual.state_dict()
    assert all(not torch.equal(plain[name], filled[name]) for name in plain)


@pytest.mark.parametrize("name", ["folder", "hf-hub:owner/biomed"])
def test_load__of_a_model_with_bert_asks_no_hub(tmp_path, monkeypatch, name):
    folder = tmp_path / "biomed"
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    model = write_biomedclip(folder, preprocess)
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", lambda *a, **k: str(folder))
    bundle = load_bundle(folder if name == "folder" else name)
    tokens = open_clip.tokenizer.HFTokenizer(str(folder), context_length=48)(TEXTS)
    rgb = torch.from_numpy(random_images(2, 48, 48))
    with torch.inference_mode():
        expected_text = model.encode_text(tokens, normalize=True).numpy()
        pixels = ((rgb / 255.0 - 0.5) / 0.25).permute(0, 3, 1, 2)
        expected_image = model.encode_image(pixels, normalize=True)
    np.testing.assert_allclose(bundle.text_encoder.embed(TEXTS), expected_text, rtol=0, atol=1e-5)
    actual_image = bundle.image_encoder.embed(rgb)
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    assert bundle.name == ("biomed" if name == "folder" else name)


def test_load__of_a_model_with_bert_names_weights_that_do_not_fit(tmp_path):
    folder = tmp_path / "biomed"
    write_biomedclip(folder, {})
    path = folder / "open_clip_pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    state["visual.head.projs.weight"] = state.pop("visual.head.proj.weight")
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"did you mean 'visual\.head\.projs\.weight'"):
        load_open_clip_folder("x", folder)

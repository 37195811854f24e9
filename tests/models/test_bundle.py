"""A bundle gives back the model that was saved, or refuses; it is never half there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from medvlp.errors import ModelError
from medvlp.io import content_sha256
from medvlp.models.bundle import load_bundle, save_bundle
from medvlp.models.bundle_schema import BUNDLE_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from tests.models.conftest import filled_randomly, random_images

TEXTS = ["clear cell renal cell carcinoma", "an H&E image of normal tissue."]


def sign_again(folder: Path, file: str) -> None:
    """Write the file's true hash into the description, as someone who edits a bundle would."""
    path = folder / BUNDLE_FILE
    content = json.loads(path.read_text())
    content["files"][file] = content_sha256(folder / file)
    path.write_text(json.dumps(content))


def test_bundle__gives_back_the_embeddings_of_the_model(tmp_path, dual_encoder, tokenizer, card):
    model = filled_randomly(dual_encoder).eval()
    save_bundle(tmp_path / "b", model, tokenizer, card)
    bundle = load_bundle(tmp_path / "b")

    rgb = torch.from_numpy(random_images(3, 48, 48))
    mean, std = torch.tensor(card.preprocessing.mean), torch.tensor(card.preprocessing.std)
    pixels = ((rgb / 255.0 - mean) / std).permute(0, 3, 1, 2)
    tokens = tokenizer.encode(TEXTS, 16)
    with torch.inference_mode():
        output = model(pixels, torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
    torch.testing.assert_close(bundle.image_encoder.embed(rgb), output.image, rtol=0, atol=1e-5)
    actual_text = bundle.text_encoder.embed(TEXTS)
    np.testing.assert_allclose(actual_text, output.text.numpy(), rtol=0, atol=1e-5)
    assert bundle.logit_scale == pytest.approx(float(output.logit_scale), rel=1e-6)


def test_bundle__states_scale_and_form_of_its_features(bundle_folder):
    bundle = load_bundle(bundle_folder)
    encoder = bundle.image_encoder
    assert (encoder.mpp, encoder.tile_px, encoder.dim) == (0.5, 96, 24)
    assert encoder.is_projected
    assert encoder.is_normalized
    assert not encoder.is_random
    assert bundle.meta is not None
    assert bundle.meta.modality == "slide"


def test_save_bundle__writes_the_same_bytes_again(tmp_path, dual_encoder, tokenizer, card):
    for name in ("one", "two"):
        save_bundle(tmp_path / name, dual_encoder, tokenizer, card)
    assert content_sha256(tmp_path / "one") == content_sha256(tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted([BUNDLE_FILE, TOKENIZER_FILE, WEIGHTS_FILE])


def test_save_bundle__leaves_nothing_behind_when_it_fails(
    tmp_path, dual_encoder, tokenizer, card, monkeypatch
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medvlp.models.bundle_files.write_json", full)
    with pytest.raises(Exception, match="No space left"):
        save_bundle(tmp_path / "b", dual_encoder, tokenizer, card)
    assert list(tmp_path.iterdir()) == []


def test_save_bundle__does_not_replace_another_model(bundle_folder, dual_encoder, tokenizer, card):
    before = content_sha256(bundle_folder)
    with pytest.raises(FileExistsError):
        save_bundle(bundle_folder, dual_encoder, tokenizer, card)
    assert content_sha256(bundle_folder) == before


def test_save_bundle__refuses_nan_weights(tmp_path, dual_encoder, tokenizer, card):
    dual_encoder.image_projection.weight.data[0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"'image_projection\.weight' holds 1 values"):
        save_bundle(tmp_path / "b", dual_encoder, tokenizer, card)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("file", [WEIGHTS_FILE, TOKENIZER_FILE])
def test_load_bundle__refuses_a_changed_file_before_reading_it(bundle_folder, file):
    content = bytearray((bundle_folder / file).read_bytes())
    content[-5] ^= 1
    (bundle_folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=f"{file} has sha256") as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == "MV1404"


@pytest.mark.parametrize(
    ("file", "code"),
    [(WEIGHTS_FILE, "MV1403"), (TOKENIZER_FILE, "MV1410"), (BUNDLE_FILE, "MV1403")],
)
def test_load_bundle__names_a_missing_file(bundle_folder, file, code):
    (bundle_folder / file).unlink()
    with pytest.raises(ModelError, match=BUNDLE_FILE if file == BUNDLE_FILE else file) as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == code


def test_load_bundle__refuses_nan_weights_and_names_the_parameter(bundle_folder):
    path = bundle_folder / WEIGHTS_FILE
    state = safetensors.torch.load_file(path)
    state["text_projection.weight"][2, 3] = torch.nan
    safetensors.torch.save_file(state, path)
    sign_again(bundle_folder, WEIGHTS_FILE)
    with pytest.raises(ModelError, match=r"'text_projection\.weight' holds 1 values") as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == "MV1405"


def test_load_bundle__refuses_weights_of_another_architecture(bundle_folder):
    path = bundle_folder / WEIGHTS_FILE
    state = safetensors.torch.load_file(path)
    state["text_projection.weight"] = torch.zeros(24, 33)
    safetensors.torch.save_file(state, path)
    sign_again(bundle_folder, WEIGHTS_FILE)
    with pytest.raises(ModelError, match=r"is \(24, 33\) instead of \(24, 32\)"):
        load_bundle(bundle_folder)


def test_load_bundle__refuses_a_tokenizer_of_another_size(bundle_folder):
    path = bundle_folder / BUNDLE_FILE
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "vocab_size": content["vocab_size"] + 1}))
    with pytest.raises(ModelError, match=r"has \d+ pieces") as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == "MV1410"


def test_load_bundle__refuses_a_pickle_in_place_of_the_weights(bundle_folder):
    torch.save({"a": torch.ones(1)}, bundle_folder / WEIGHTS_FILE)
    sign_again(bundle_folder, WEIGHTS_FILE)
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_bundle(bundle_folder)


def test_load_bundle__refuses_an_unknown_architecture(bundle_folder):
    path = bundle_folder / BUNDLE_FILE
    content = json.loads(path.read_text())
    content["architecture"]["image"]["architecture"] = "test_resnett"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"\(did you mean 'test_resnet'\?\)") as caught:
        load_bundle(bundle_folder)
    assert caught.value.code == "MV1402"


def test_load_bundle__takes_open_clip_models_too(open_clip_folder):
    bundle = load_bundle(open_clip_folder)
    assert bundle.meta is None
    assert bundle.image_encoder.dim == bundle.text_encoder.embed(["x"]).shape[1] == 16


@pytest.mark.parametrize("name", ["timm:test_resnet", "folder"])
def test_load_bundle__refuses_a_model_without_text_tower(timm_folder, name):
    with pytest.raises(ModelError, match="has an image tower only") as caught:
        load_bundle(timm_folder if name == "folder" else name)
    assert caught.value.code == "MV1413"


def test_load_bundle__takes_a_bundle_from_the_hub(bundle_folder, tmp_path, monkeypatch):
    cached = tmp_path / "cache"
    shutil.copytree(bundle_folder, cached)
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", lambda *a, **k: str(cached))
    bundle = load_bundle("hf-hub:owner/name")
    assert bundle.name == bundle.image_encoder.name == "hf-hub:owner/name"

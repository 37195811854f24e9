"""timm's towers load by name, tag, file and folder, and give timm's own features."""

import json
import shutil

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from medvlp.errors import ModelError
from medvlp.models.timm_towers import (
    build_random_tower,
    check_architecture,
    load_timm_encoder,
    load_timm_folder,
    with_local_seed,
)
from medvlp.models.vision import ImageEncoder
from medvlp.models.weights import weights_sha256
from medvlp.pixels import prepare_image
from tests.models.conftest import filled_randomly, random_images

CPU = {"device": "cpu", "precision": "fp32"}


def plain_timm_features(model: torch.nn.Module, images: np.ndarray) -> torch.Tensor:
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    batch = torch.stack([transform(Image.fromarray(image)) for image in images])
    with torch.inference_mode():
        return model.eval()(batch)


def our_features(encoder: ImageEncoder, images: np.ndarray) -> torch.Tensor:
    prepared = np.stack([prepare_image(image, encoder.preprocessing) for image in images])
    return encoder.embed(torch.from_numpy(prepared))


@pytest.mark.parametrize("size_px", [(256, 256), (300, 211)])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_load_timm_encoder__gives_the_features_of_a_plain_timm_script(tmp_path, name, size_px):
    model = filled_randomly(timm.create_model(name, num_classes=0))
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    images = random_images(2, *size_px)
    encoder = load_timm_encoder("timm:x", f"{name}/{path}", **CPU)
    expected = plain_timm_features(model, images)
    actual = our_features(encoder, images)
    assert (encoder.is_random, encoder.is_projected, encoder.is_normalized) == (False,) * 3
    scale = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * scale)


def test_load_timm_folder__gives_the_features_of_a_plain_timm_script(timm_folder):
    model = timm.create_model(f"local-dir:{timm_folder}", pretrained=True, num_classes=0)
    images = random_images(2, 200, 240)
    encoder = load_timm_folder("hf-hub:owner/name", timm_folder, **CPU)
    expected = plain_timm_features(model, images)
    scale = float(expected.abs().max())
    torch.testing.assert_close(our_features(encoder, images), expected, rtol=0, atol=1e-5 * scale)
    assert (encoder.name, encoder.is_random, encoder.dim) == ("hf-hub:owner/name", False, 96)


def test_load_timm_folder__refuses_other_weights(timm_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(timm_folder, folder)
    state = safetensors.torch.load_file(folder / "model.safetensors")
    state.pop("layer1.0.conv1.weight")
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelError, match="cannot be loaded by timm") as caught:
        load_timm_folder("x", folder, **CPU)
    assert caught.value.code == "MV1409"


def test_load_timm_folder__refuses_an_architecture_that_timm_lacks(timm_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(timm_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architecture": "resnet_9000"}))
    with pytest.raises(ModelError, match="resnet_9000"):
        load_timm_folder("x", folder, **CPU)


def test_load_timm_folder__refuses_pickled_weights_that_hold_a_program(timm_folder, tmp_path):
    canary = tmp_path / "canary"

    class Gadget:
        def __reduce__(self):
            return canary.touch, ()

    folder = tmp_path / "model"
    shutil.copytree(timm_folder, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Gadget()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded by timm"):
        load_timm_folder("x", folder, **CPU)
    assert not canary.exists()


def test_load_timm_encoder__takes_a_file_with_its_classifier(tmp_path):
    model = filled_randomly(timm.create_model("test_resnet", num_classes=5))
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    encoder = load_timm_encoder("timm:x", f"test_resnet/{path}", **CPU)
    model.reset_classifier(0)
    assert encoder.weights_sha256 == weights_sha256(model.state_dict())


def test_load_timm_encoder__without_weights_is_random_and_the_same_each_time():
    torch.manual_seed(1)
    first = load_timm_encoder("timm:test_resnet", "test_resnet", **CPU)
    torch.manual_seed(2)
    second = load_timm_encoder("timm:test_resnet", "test_resnet", **CPU)
    assert first.is_random
    assert first.weights_sha256 == second.weights_sha256


def test_build_random_tower__leaves_the_random_state_of_the_program_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    build_random_tower("test_resnet", {})
    assert torch.equal(torch.rand(4), expected)


def test_with_local_seed__draws_by_its_seed_only():
    assert torch.equal(
        with_local_seed(lambda: torch.rand(3), 7), with_local_seed(lambda: torch.rand(3), 7)
    )
    assert not torch.equal(
        with_local_seed(lambda: torch.rand(3), 7), with_local_seed(lambda: torch.rand(3), 8)
    )


@pytest.mark.parametrize(
    ("spec", "phrase", "code"),
    [
        ("resnet51", r"no architecture 'resnet51' \(did you mean 'resnet5", "MV1402"),
        ("test_resnet/r160_in2k", r"\(did you mean 'r160_in1k'\?\)", "MV1402"),
        ("test_resnet/weights.pth", "pickle", "MV1406"),
        ("test_resnet/nowhere.safetensors", "does not exist", "MV1403"),
    ],
)
def test_load_timm_encoder__refuses_with_the_nearest_name(spec, phrase, code):
    with pytest.raises(ModelError, match=phrase) as caught:
        load_timm_encoder(f"timm:{spec}", spec, **CPU)
    assert caught.value.code == code


def test_load_timm_encoder__says_when_trained_weights_cannot_be_fetched(monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("timm.models._hub.hf_hub_download", offline)
    with pytest.raises(ModelError, match=r"'test_resnet.r160_in1k' cannot be fetched") as caught:
        load_timm_encoder("timm:x", "test_resnet/r160_in1k", **CPU)
    assert caught.value.code == "MV1412"


def test_load_timm_encoder__fetches_a_tag_through_the_hub(monkeypatch, tmp_path):
    model = filled_randomly(timm.create_model("test_resnet"))
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *a, **k: str(path))
    encoder = load_timm_encoder("timm:x", "test_resnet/r160_in1k", **CPU)
    images = random_images(1, 160, 160)
    model.reset_classifier(0)
    expected = plain_timm_features(model, images)
    scale = float(expected.abs().max())
    torch.testing.assert_close(our_features(encoder, images), expected, rtol=0, atol=1e-5 * scale)


def test_check_architecture__refuses_names_of_other_sources():
    for name in ("hf-hub:owner/name", "local-dir:/x", "../test_resnet", ""):
        with pytest.raises(ModelError, match="timm has no architecture"):
            check_architecture(name)


def test_build_random_tower__refuses_options_that_do_not_fit():
    with pytest.raises(ModelError, match="does not take") as caught:
        build_random_tower("test_resnet", {"init_values": 0.1, "patch_size": 4})
    assert caught.value.code == "MV1407"

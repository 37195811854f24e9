"""Small models, made on the spot: a bundle, and folders in the layouts of timm and open_clip."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import timm
import torch
from timm.models import save_for_hf

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle import BundleCard, save_bundle
from medvlp.models.bundle_schema import BundleScale, Provenance
from medvlp.models.dual_encoder import DualEncoder
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer
from medvlp.types import ImagePreprocessing

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}


def random_images(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return smooth random images, shape (count, height, width, 3), uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 9, 9, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = 0.1 * torch.rand(count, 3, height, width, generator=generator)
    pixels = ((smooth + noise) / 1.1 * 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def filled_randomly(model: torch.nn.Module, seed: int = 5) -> torch.nn.Module:
    """Give every tensor, batch statistics too, a random value, as trained weights would have."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            is_variance = name.endswith("running_var")
            tensor.copy_(1.0 + 0.3 * noise.abs() if is_variance else tensor + 0.05 * noise)
    return model


@pytest.fixture(scope="session")
def tokenizer() -> CaptionTokenizer:
    return train_tokenizer(
        ["clear cell renal cell carcinoma", "papillary carcinoma", "normal renal tissue"], 120
    )


@pytest.fixture(scope="session")
def settings() -> DualEncoderSettings:
    return DualEncoderSettings(
        embed_dim=24,
        image=ImageTowerSettings(architecture="test_resnet"),
        text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16),
    )


@pytest.fixture
def dual_encoder(settings, tokenizer) -> DualEncoder:
    return DualEncoder(settings, tokenizer.vocab_size)


@pytest.fixture(scope="session")
def card() -> BundleCard:
    return BundleCard(
        name="tiny",
        modality="slide",
        preprocessing=ImagePreprocessing(
            input_px=48,
            resize_px=48,
            interpolation="bilinear",
            mean=(0.7, 0.6, 0.7),
            std=(0.2, 0.2, 0.2),
        ),
        scale=BundleScale(mpp=0.5, tile_px=96),
        provenance=Provenance(medvlp_version="0.0.0", data="made for a test"),
        license="Apache-2.0",
        templates=("an H&E image of {}.",),
        prompts={"Normal": ("normal tissue",)},
    )


@pytest.fixture
def bundle_folder(tmp_path, dual_encoder, tokenizer, card) -> Path:
    folder = tmp_path / "bundle"
    save_bundle(folder, dual_encoder, tokenizer, card)
    return folder


@pytest.fixture(scope="session")
def timm_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("timm") / "model"
    model = filled_randomly(timm.create_model("test_resnet", num_classes=7))
    save_for_hf(model, folder, model_config={"num_classes": 7}, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def open_clip_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("open_clip")
    preprocess = {"size": 32, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.25] * 3}
    config = {"model_cfg": TINY_CLIP, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model = filled_randomly(open_clip.CLIP(**TINY_CLIP))
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder

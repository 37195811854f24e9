"""Small models of volumes, made on the spot, and the bundles that hold them."""

from pathlib import Path

import numpy as np
import torch

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.bundle_writing import VolumeBundleCard, save_volume_bundle
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.settings import ResNet3dSettings, VolumeHeadSettings
from medvlp.models.volume.stored_texts import StoredTexts
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.types import VolumePreprocessing
from tests.models.conftest import filled_randomly

KIDNEY_BOX = VolumePreprocessing(
    spacing_mm=(5.0, 4.0, 4.0),
    shape_zyx=(8, 16, 16),
    orientation="LPS",
    axes="zxy",
    window_hu=(-200.0, 300.0),
    region="kidney",
)
TEXT = TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16)


def volume_card(**changes) -> VolumeBundleCard:
    values = {
        "name": "tiny-ct",
        "preprocessing": KIDNEY_BOX,
        "is_projected": True,
        "provenance": Provenance(medvlp_version="0.0.0", data="made for a test"),
        "license": "Apache-2.0",
        "templates": ("a CT of {}.",),
        "prompts": {"cyst": ("simple cyst",)},
    }
    return VolumeBundleCard(**(values | changes))


def tiny_volume_model(vocab_size: int | None = None, dim: int = 24) -> VolumeDualEncoder:
    """Return a small residual network, with a text tower where there is a vocabulary."""
    settings = VolumeModelSettings(
        image=ResNet3dSettings(depth=10, width=4),
        head=VolumeHeadSettings(projection="linear", dim=dim),
        text=TEXT if vocab_size else None,
    )
    model = VolumeDualEncoder(settings, network_shape(KIDNEY_BOX), vocab_size)
    return filled_randomly(model).eval()


def write_tiny_volume_bundle(
    folder: Path,
    tokenizer: CaptionTokenizer | None = None,
    texts: StoredTexts | None = None,
    **card,
) -> VolumeDualEncoder:
    """Write a bundle of a small model and return the model."""
    model = tiny_volume_model(tokenizer.vocab_size if tokenizer else None)
    save_volume_bundle(folder, model, tokenizer, volume_card(**card), texts=texts)
    return model


def some_texts(dim: int = 24) -> StoredTexts:
    vectors = np.random.default_rng(3).normal(size=(2, dim))
    return StoredTexts("tiny-ct", ["a simple cyst", "a solid mass"], vectors)


def kidney_boxes(count: int = 2) -> torch.Tensor:
    """Return boxes of Hounsfield units, shape (count, 8, 16, 16), int16."""
    generator = torch.Generator().manual_seed(4)
    return torch.randint(-500, 600, (count, 8, 16, 16), generator=generator).to(torch.int16)

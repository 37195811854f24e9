"""Small networks for radiographs, made on the spot."""

import torch

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.released_settings import (
    CarzeroSettings,
    KadSettings,
    MavlSettings,
    MedklipSettings,
)
from medvlp.models.radiograph.settings import (
    FacetSettings,
    QueryDecoderSettings,
    RadiographModelSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)

VOCAB_SIZE = 20
PX = 32
VIT = TimmTowerSettings(name="vit_tiny_patch16_224", width=16, depth=1, heads=2, patch_size=8)
RESNET = ResNetTowerSettings(architecture="resnet18", stage=3, width=8)


def tiny_text(width: int = 16, pooling: str = "mean", projection: str = "linear"):
    return TextTowerSettings(
        width=width,
        layers=2,
        heads=2,
        feedforward=24,
        max_tokens=10,
        pooling=pooling,
        projection=projection,
    )


def tiny_decoder(dim: int = 16, **changes) -> QueryDecoderSettings:
    return QueryDecoderSettings(**{"dim": dim, "layers": 2, "heads": 2, "ffn": 24, **changes})


def tiny_model_settings(**changes) -> RadiographModelSettings:
    values = {
        "dim": 16,
        "input_px": PX,
        "image": VIT,
        "text": tiny_text(),
        "decoder": tiny_decoder(),
        "facets": FacetSettings(fusion="mean"),
    }
    return RadiographModelSettings(**{**values, **changes})


def tiny_medklip() -> MedklipSettings:
    decoder = tiny_decoder(head="binary")
    text = tiny_text(24, "cls", "none")
    return MedklipSettings(input_px=PX, image=RESNET, text=text, decoder=decoder)


def tiny_kad() -> KadSettings:
    decoder = tiny_decoder(head="binary", shared_norm=True)
    text = tiny_text(16, "pooler", "none")
    return KadSettings(input_px=PX, image=RESNET, text=text, decoder=decoder)


def tiny_mavl(**changes) -> MavlSettings:
    values = {
        "input_px": PX,
        "image": RESNET,
        "text": tiny_text(24, "cls", "none"),
        "decoder": tiny_decoder(head="binary"),
        "num_aspects": 3,
    }
    return MavlSettings(**{**values, **changes})


def tiny_carzero() -> CarzeroSettings:
    decoder = tiny_decoder(head="score", shared_norm=True, self_attention=False)
    text = tiny_text(16, "cls", "none")
    return CarzeroSettings(
        input_px=PX, image=VIT, text=text, decoder=decoder, last_layers=2, num_slots=12
    )


def random_pixels(count: int = 2, channels: int = 1, px: int = PX) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, channels, px, px, generator=generator)


def random_tensor(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_texts(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask of texts of 3 to 8 pieces."""
    generator = torch.Generator().manual_seed(4)
    ids = torch.randint(1, VOCAB_SIZE, (count, 8), generator=generator)
    lengths = torch.arange(count) % 6 + 3
    mask = torch.arange(8) < lengths.unsqueeze(1)
    return torch.where(mask, ids, 0), mask

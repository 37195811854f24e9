"""Small networks that judge findings, made on the spot, and the bundles that hold them."""

from pathlib import Path

import torch

from medvlp.knowledge.facets import FindingFacets
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle_schema import network_preprocessing
from medvlp.models.radiograph.bundle_writing import RadiographBundleCard, save_radiograph_bundle
from medvlp.models.radiograph.released_settings import (
    CarzeroSettings,
    FindingNetworkSettings,
    KadSettings,
    MavlSettings,
    MedklipSettings,
)
from medvlp.models.radiograph.settings import (
    QueryDecoderSettings,
    RadiographModelSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)
from medvlp.text.tokenizer import CaptionTokenizer
from tests.models.conftest import filled_randomly

SIDE = 32
FINDINGS = (
    FindingFacets("effusion", ("fluid",), "fluid beside the lung", ("a white base",)),
    FindingFacets("nodule", (), "a small round mass", ("a round spot", "a dense spot")),
    FindingFacets("heart"),
)
VIT = TimmTowerSettings(
    name="vit_tiny_patch16_224", patch_size=8, width=24, depth=1, heads=2, mlp_ratio=2.0
)
RESNET = ResNetTowerSettings(architecture="resnet18", stage=3, width=8)


def small_text(
    width: int = 32, pooling: str = "cls", projection: str = "none"
) -> TextTowerSettings:
    return TextTowerSettings(
        width=width,
        layers=2,
        heads=2,
        feedforward=48,
        max_tokens=16,
        pooling=pooling,
        projection=projection,
    )


def small_decoder(dim: int, **options: object) -> QueryDecoderSettings:
    return QueryDecoderSettings(dim=dim, layers=2, heads=2, ffn=40, **options)


def tiny_settings(kind: str = "facet-queries") -> FindingNetworkSettings:
    """Return the settings of a small network of a kind, for images of 32 x 32."""
    match kind:
        case "medklip":
            return MedklipSettings(
                input_px=SIDE,
                image=RESNET,
                text=small_text(),
                decoder=small_decoder(16, head="binary"),
            )
        case "kad":
            return KadSettings(
                input_px=SIDE,
                image=RESNET,
                text=small_text(24, "pooler"),
                decoder=small_decoder(24, head="binary", shared_norm=True),
            )
        case "mavl":
            return MavlSettings(
                input_px=SIDE,
                image=RESNET,
                text=small_text(),
                decoder=small_decoder(16, head="binary"),
                num_aspects=3,
            )
        case "carzero":
            decoder = small_decoder(24, self_attention=False, shared_norm=True, head="score")
            return CarzeroSettings(
                input_px=SIDE,
                image=VIT,
                text=small_text(24),
                decoder=decoder,
                last_layers=2,
                num_slots=16,
            )
        case _:
            return RadiographModelSettings(
                dim=16,
                input_px=SIDE,
                image=VIT,
                text=small_text(projection="linear", pooling="mean"),
                decoder=small_decoder(16),
            )


def tiny_network(vocab_size: int, kind: str = "facet-queries"):
    """Return a small network whose weights are as spread as trained ones."""
    return filled_randomly(build_finding_network(tiny_settings(kind), vocab_size)).eval()


def findings_card(settings: FindingNetworkSettings, **changes) -> RadiographBundleCard:
    values = {
        "name": "tiny-chest",
        "preprocessing": network_preprocessing(settings),
        "provenance": Provenance(medvlp_version="0.0.0", data="made for a test"),
        "license": "Apache-2.0",
        "findings_seen": ("effusion", "nodule"),
    }
    return RadiographBundleCard(**(values | changes))


def write_tiny_findings(
    folder: Path, tokenizer: CaptionTokenizer, kind: str = "facet-queries", **card
):
    """Write a bundle of a small network and return the network."""
    network = tiny_network(tokenizer.vocab_size, kind)
    save_radiograph_bundle(folder, network, tokenizer, findings_card(network.settings, **card))
    return network


def some_films(count: int = 2) -> torch.Tensor:
    """Return images in [0, 1], shape (count, 32, 32), float32."""
    generator = torch.Generator().manual_seed(4)
    return torch.rand(count, SIDE, SIDE, generator=generator)

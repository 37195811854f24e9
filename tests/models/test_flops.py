"""Operations are counted as products are written down, and as open_clip's table states them."""

import pytest
import torch
from torch import nn

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import UnknownValues, count_flops, dual_encoder_flops

# open_clip, docs/model_profile.csv: GFLOPs of images of 224 px and of texts of 77 tokens.
# Its sums at commit 89fb801: 41.1 for ViT-B-16 and 175.3 for ViT-L-14.
OPEN_CLIP = [
    ("vit_base_patch16_224", 512, 8, 512, 41.1),
    ("vit_large_patch14_clip_224", 768, 12, 768, 175.3),
]


def dual_encoder(architecture: str, width: int, heads: int, dim: int, **text) -> DualEncoder:
    with torch.device("meta"):
        return DualEncoder(
            DualEncoderSettings(
                embed_dim=dim,
                image=ImageTowerSettings(architecture=architecture),
                text=TextTowerSettings(
                    **{
                        "width": width,
                        "heads": heads,
                        "layers": 12,
                        "feedforward": 4 * width,
                        "max_tokens": 77,
                        **text,
                    }
                ),
            ),
            vocab_size=49408,
        )


def transformer(layers: int, tokens: int, width: int) -> int:
    """Count by hand: q, k, v, output (4 w^2), feed-forward (8 w^2), attention (2 n w)."""
    return layers * 2 * tokens * (12 * width**2 + 2 * tokens * width)


@pytest.mark.parametrize(("architecture", "width", "heads", "dim", "gflops"), OPEN_CLIP)
def test_dual_encoder_flops__agree_with_open_clip(architecture, width, heads, dim, gflops):
    found = dual_encoder_flops(dual_encoder(architecture, width, heads, dim))
    assert found.pair / 1e9 == pytest.approx(gflops, rel=0.01)


def test_dual_encoder_flops__equal_products_written_down():
    found = dual_encoder_flops(dual_encoder("vit_base_patch16_224", 512, 8, 256))
    patches = 2 * 196 * 768 * 3 * 16 * 16
    assert found.image == transformer(12, 197, 768) + patches + 2 * 768 * 256
    assert found.text == transformer(12, 77, 512) + 2 * 512 * 256
    assert found.pair == found.image + found.text


def test_dual_encoder_flops__follow_the_sizes_that_are_given():
    network = dual_encoder("resnet18", 64, 2, 32)
    stated = dual_encoder_flops(network)
    # rounded: 2 * 1.81 GMAC of a ResNet-18 at 224 px
    assert stated.image / 1e9 == pytest.approx(3.63, rel=0.01)
    doubled = dual_encoder_flops(network, input_px=448, tokens=7)
    assert doubled.image / stated.image == pytest.approx(4.0, rel=0.01)
    assert doubled.text == transformer(12, 7, 64) + 2 * 64 * 32


def test_dual_encoder_flops__leave_the_network_as_it_is():
    network = DualEncoder(
        DualEncoderSettings(
            embed_dim=8,
            image=ImageTowerSettings(architecture="test_vit", img_size=64),
            text=TextTowerSettings(width=16, max_tokens=8),
        ),
        vocab_size=30,
    )
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    on_cpu = count_flops(lambda: network.eval().project_image(torch.zeros(1, 3, 64, 64)))
    assert dual_encoder_flops(network).image == on_cpu
    assert all(torch.equal(before[name], x) for name, x in network.state_dict().items())


def test_count_flops__runs_a_real_computation_once():
    layer = nn.Linear(8, 4)
    calls = []

    def call():
        calls.append(layer(torch.zeros(3, 8)))

    assert count_flops(call) == 2 * 3 * 8 * 4
    assert len(calls) == 1
    assert not calls[0].requires_grad


def test_unknown_values__are_answered_on_the_meta_device_only():
    with UnknownValues():
        assert not bool(torch.ones(2, dtype=torch.bool, device="meta").all())
        assert float(torch.ones((), device="meta")) == 0.0
        assert bool(torch.ones(2, dtype=torch.bool).all())
        assert int(torch.full((), 3)) == 3

"""CT-CLIP's encoder against its forward pass written out, quirks and all."""

import math

import pytest
import torch
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.volume.ct_vit import CtVit
from medvlp.models.volume.settings import CtVitSettings
from tests.models.conftest import filled_randomly

SETTINGS = CtVitSettings(
    width=12, heads=2, head_width=5, patch_zyx=(2, 4, 4), plane_depth=2, axial_depth=1, codes=40
)
BOX = (6, 8, 12)
GRID = (3, 2, 3)


def make() -> CtVit:
    return filled_randomly(CtVit(SETTINGS, BOX)).eval()


def boxes(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 1, *BOX, generator=torch.Generator().manual_seed(2))


def patch_tokens(t: dict, x: torch.Tensor) -> torch.Tensor:
    """Cut patches one by one, shape (B, t, h, w, D)."""
    rows = []
    for b in range(len(x)):
        for z in range(GRID[0]):
            for y in range(GRID[1]):
                for c in range(GRID[2]):
                    patch = x[b, 0, 2 * z : 2 * z + 2, 4 * y : 4 * y + 4, 4 * c : 4 * c + 4]
                    rows.append(patch.reshape(-1))
    x = torch.stack(rows)
    x = functional.layer_norm(x, (32,), t["to_patch_emb.1.weight"], t["to_patch_emb.1.bias"])
    x = functional.linear(x, t["to_patch_emb.2.weight"], t["to_patch_emb.2.bias"])
    x = functional.layer_norm(x, (12,), t["to_patch_emb.3.weight"], t["to_patch_emb.3.bias"])
    return x.reshape(-1, *GRID, 12)


def place_bias(t: dict) -> torch.Tensor:
    """Compute the bias pair by pair, shape (heads, n, n)."""
    places = [(y, c) for y in range(GRID[1]) for c in range(GRID[2])]
    bias = torch.zeros(2, len(places), len(places))
    for i, (y, c) in enumerate(places):
        for j, (v, d) in enumerate(places):
            offset = torch.tensor([math.copysign(math.log(abs(k) + 1), k) for k in (y - v, c - d)])
            for part in ("0.0", "1.0"):
                name = f"spatial_rel_pos_bias.net.{part}"
                offset = functional.linear(offset, t[f"{name}.weight"], t[f"{name}.bias"])
                offset = functional.leaky_relu(offset, 0.1)
            name = "spatial_rel_pos_bias.net.2"
            bias[:, i, j] = functional.linear(offset, t[f"{name}.weight"], t[f"{name}.bias"])
    return bias


def gamma_norm(t: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, (12,), t[f"{name}.gamma"], t[f"{name}.beta"])


def attend(t: dict, name: str, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    q = gamma_norm(t, f"{name}.norm", x) @ t[f"{name}.to_q.weight"].T
    k, v = (x @ t[f"{name}.to_kv.weight"].T).split(10, dim=-1)
    heads = []
    for head in range(2):
        part = slice(5 * head, 5 * head + 5)
        unit_q = functional.normalize(q[..., part], dim=-1) * t[f"{name}.q_scale"]
        unit_k = functional.normalize(k[..., part], dim=-1) * t[f"{name}.k_scale"]
        scores = 8 * unit_q @ unit_k.mT
        scores = scores if bias is None else scores + bias[head]
        heads.append(scores.softmax(dim=-1) @ v[..., part])
    return torch.cat(heads, dim=-1) @ t[f"{name}.to_out.weight"].T


def transform(t: dict, name: str, x: torch.Tensor, bias: torch.Tensor | None, depth: int):
    batch = x.numel() // (12 * math.prod(GRID))
    for index in range(depth):
        layer = f"{name}.layers.{index}"
        laid = x.reshape(batch, *GRID, 12).permute(0, 4, 1, 2, 3)
        padded = functional.pad(laid, (1, 1, 1, 1, 2, 0))
        placed = functional.conv3d(
            padded, t[f"{layer}.0.dsconv.weight"], t[f"{layer}.0.dsconv.bias"], groups=12
        )
        x = x + placed.permute(0, 2, 3, 4, 1).reshape(x.shape)
        x = x + attend(t, f"{layer}.1", x, bias)
        inner = functional.layer_norm(x, (12,), t[f"{layer}.3.0.weight"], t[f"{layer}.3.0.bias"])
        value, gate = (inner @ t[f"{layer}.3.1.weight"].T).split(32, dim=-1)
        x = x + (functional.gelu(gate) * value) @ t[f"{layer}.3.4.weight"].T
    return gamma_norm(t, f"{name}.norm_out", x)


def ct_vit_tokens(t: dict, x: torch.Tensor) -> torch.Tensor:
    """Run the whole encoder, shape (B, t, h, w, D)."""
    count = len(x)
    x = patch_tokens(t, x).reshape(count * 3, 6, 12)
    x = transform(t, "enc_spatial_transformer", x, place_bias(t), 2)
    x = x.reshape(count, 3, 6, 12).permute(0, 2, 1, 3).reshape(count * 6, 3, 12)
    x = transform(t, "enc_temporal_transformer", x, None, 1)
    x = x.reshape(count, 6, 3, 12).permute(0, 2, 1, 3).reshape(-1, 12)
    codes = t["vq._codebook.embed"][0]
    best = [
        max(range(40), key=lambda i: float(functional.cosine_similarity(row, codes[i], dim=0)))
        for row in x
    ]
    return codes[best].reshape(count, *GRID, 12)


def test_ct_vit__gives_what_its_forward_pass_written_out_gives():
    tower, x = make(), boxes()
    with torch.inference_mode():
        expected = ct_vit_tokens(tower.state_dict(), x)
        torch.testing.assert_close(tower.tokens(x), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(tower.feature_map(x), expected.permute(0, 4, 1, 2, 3))
        pooled = expected.mean(dim=1).reshape(2, -1)
        torch.testing.assert_close(tower(x), pooled, rtol=0, atol=1e-6)
    assert tower.dim == 2 * 3 * 12
    assert len({tuple(row.tolist()) for row in expected.reshape(-1, 12)}) > 3


def test_ct_vit__lets_the_gradient_pass_the_codebook_in_training():
    tower = make().train()
    tower(boxes()).square().sum().backward()
    gradient = tower.to_patch_emb["2"].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_ct_vit__runs_under_autocast():
    tower, x = make(), boxes()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = tower.tokens(x)
    codes = tower.state_dict()["vq._codebook.embed"][0]
    assert tokens.dtype == torch.float32
    assert all((row == codes).all(dim=1).any() for row in tokens.reshape(-1, 12))


def test_ct_vit__refuses_boxes_that_its_patches_do_not_divide():
    with pytest.raises(ModelError, match=r"\(6, 8, 13\) voxels") as caught:
        CtVit(SETTINGS, (6, 8, 13))
    assert caught.value.code == "MV1430"

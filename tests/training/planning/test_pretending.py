"""What is counted without a device is what is kept on one, by hand and beside real runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.planning.pretending import SavedBytes, count_saved_bytes, pretend_on

B = 6


def dual_encoder() -> DualEncoder:
    return DualEncoder(
        DualEncoderSettings(
            embed_dim=24,
            image=ImageTowerSettings(architecture="test_vit", img_size=64),
            text=TextTowerSettings(width=32, heads=2, layers=2, feedforward=64, max_tokens=10),
        ),
        vocab_size=50,
    ).train()


def bytes_really_kept(network: nn.Module, call, autocast: torch.dtype | None) -> int:
    """Sum the memory that a real run keeps, by address."""
    own = {t.untyped_storage().data_ptr() for t in (*network.parameters(), *network.buffers())}
    kept = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        if autocast is None:
            result = call()
        else:
            with torch.autocast("cpu", autocast):
                result = call()
    assert result is not None
    return sum(kept.values())


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_count__equals_a_real_run_on_a_processor(autocast):
    ids, mask = torch.ones(B, 10, dtype=torch.long), torch.ones(B, 10, dtype=torch.bool)
    mask[0, 5:] = False  # the mask is used, as it is where nothing is known of it
    real = dual_encoder()
    pixels = torch.randn(B, 3, 64, 64)
    expected = bytes_really_kept(real, lambda: real(pixels, ids, mask), autocast)
    with torch.device("meta"):
        sketch = dual_encoder()
    with pretend_on("cpu", sketch):
        pixels, ids = torch.empty(B, 3, 64, 64), torch.zeros(B, 10, dtype=torch.long)
        mask = torch.ones(B, 10, dtype=torch.bool)
        found = count_saved_bytes(
            lambda: sketch(pixels, ids, mask), [sketch], device="cpu", autocast=autocast
        )
    assert found.activations + found.weight_copies == expected
    assert (found.weight_copies > 0) == (autocast is not None)


def count_on_gpu(network: nn.Module, *shape: int, autocast=torch.bfloat16) -> SavedBytes:
    with pretend_on("cuda", network):
        x = torch.empty(shape)
        assert x.device.type == "cuda"
        return count_saved_bytes(lambda: network(x), [network], device="cuda", autocast=autocast)


def test_count__of_a_linear_map_by_hand():
    with torch.device("meta"):
        network = nn.Linear(8, 4)
    assert count_on_gpu(network, B, 8) == SavedBytes(B * 8 * 2, 0)
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
    # the second map needs its weights for the gradient of its input, both in bf16
    assert count_on_gpu(network, B, 8) == SavedBytes((B * 8 + B * 4) * 2, 4 * 2 * 2)
    assert count_on_gpu(network, B, 8, autocast=None) == SavedBytes((B * 8 + B * 4) * 4, 0)


def test_count__of_norm_and_dropout_by_hand():
    with torch.device("meta"):
        network = nn.Sequential(nn.LayerNorm(8), nn.Dropout(0.5))
    # the norm keeps its input and two numbers for each row; dropout keeps a byte for each value
    assert count_on_gpu(network, B, 8) == SavedBytes(B * 8 * 4 + 2 * B * 4 + B * 8, 0)


class Attention(nn.Module):
    def __init__(self, mask: bool) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(16, 48, bias=False)
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.to_qkv(x).view(*x.shape[:2], 3, 2, 8).permute(2, 0, 3, 1, 4)
        mask = torch.ones(x.shape[0], 1, 5, 5, dtype=torch.bool) if self.mask else None
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.1)


@pytest.mark.parametrize("has_mask", [False, True])
def test_count__of_attention_by_hand(has_mask):
    with torch.device("meta"):
        network = Attention(has_mask)
    rows = B * 5
    kept = rows * 16 * 2  # the input in bf16
    kept += rows * 48 * 2 + rows * 16 * 2  # queries, keys, values; result
    kept += rows * 2 * 4  # one fp32 number for each query and head
    kept += B * 5 * 5 * 2 if has_mask else 0
    assert count_on_gpu(network, B, 5, 16) == SavedBytes(kept, 0)


def test_pretend_on__takes_no_memory_and_keeps_what_is_trained():
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(2**17, 2**17), nn.BatchNorm1d(4))
    network[0].requires_grad_(False)
    with pretend_on("cuda", network):
        assert network[0].weight.device.type == "cuda"
    assert not network[0].weight.requires_grad
    assert network[1].weight.requires_grad
    assert network[1].running_mean.shape == (4,)


def test_count__leaves_autocast_as_it_was():
    with torch.device("meta"):
        network = nn.Linear(8, 4)
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    count_on_gpu(network, B, 8)
    assert (torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")) == before

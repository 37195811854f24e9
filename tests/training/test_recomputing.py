"""Values that are made again on the way back are, in every bit, those that were not held."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.recomputing import recompute_cheap_values

SETTINGS = DualEncoderSettings(
    embed_dim=16,
    image=ImageTowerSettings(architecture="test_vit"),
    text=TextTowerSettings(width=32, layers=2, heads=2, feedforward=64, max_tokens=12, dropout=0.2),
)


class NoteMemory(TorchDispatchMode):
    """Remembers all memory that is made, without holding it."""

    def __init__(self) -> None:
        super().__init__()
        self.made = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple) else (result,):
            if isinstance(value, torch.Tensor):
                memory = value.untyped_storage()
                self.made[StorageWeakRef(memory)] = memory.nbytes()
        return result


def held_bytes(call) -> tuple[int, torch.Tensor]:
    """Return the bytes that are still held after a forward pass, and its result."""
    with NoteMemory() as note:
        result = call()
    return sum(size for memory, size in note.made.items() if not memory.expired()), result


def one_step(*, is_prepared: bool, precision: torch.dtype | None):
    network = DualEncoder(SETTINGS, 40)
    if is_prepared:
        assert recompute_cheap_values(network) > 8
        assert recompute_cheap_values(network) == 0
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 3, 160, 160, generator=generator)
    ids = torch.randint(5, 40, (3, 12), generator=generator)
    mask = torch.arange(12) < torch.tensor([[12], [7], [9]])
    torch.manual_seed(1)

    def call():
        with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
            outputs = network(pixels, ids, mask)
        return (outputs.logit_scale * outputs.image @ outputs.text.T).logsumexp(1).mean()

    held, loss = held_bytes(call)
    loss.backward()
    return held, loss, {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_recompute_cheap_values__changes_no_bit_and_holds_less(precision):
    held, loss, gradients = one_step(is_prepared=False, precision=precision)
    less, same_loss, same_gradients = one_step(is_prepared=True, precision=precision)
    assert less < 0.85 * held
    assert torch.equal(loss, same_loss)
    for name, expected in gradients.items():
        actual = same_gradients[name]
        assert (actual is None) == (expected is None), name
        assert expected is None or torch.equal(actual, expected), name


def test_recompute_cheap_values__holds_what_was_changed_in_place():
    norm, line = nn.LayerNorm(4), nn.Linear(4, 2)
    recompute_cheap_values(nn.ModuleList([norm, line]))
    value = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    made = norm(value)
    made += 1.0
    line(made).sum().backward()
    expected = (nn.functional.layer_norm(value, (4,)) + 1.0).sum(dim=0)
    torch.testing.assert_close(line.weight.grad[0], expected, rtol=1e-6, atol=1e-6)


def test_recompute_cheap_values__leaves_names_and_evaluation_as_they_are():
    plain, prepared = DualEncoder(SETTINGS, 40).eval(), DualEncoder(SETTINGS, 40).eval()
    recompute_cheap_values(prepared)
    assert list(plain.state_dict()) == list(prepared.state_dict())
    pixels = torch.zeros(1, 3, 160, 160)
    with torch.no_grad():
        assert torch.equal(plain.project_image(pixels), prepared.project_image(pixels))

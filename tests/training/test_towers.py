"""Towers that are compiled or compute blocks twice are the same towers, with the same weights."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from medvlp.errors import UsageError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.towers import TowerSettings, prepare_towers, towers_of

# torch 2.15's compiler looks at .grad of tensors that have none, and torch warns of it
compiles = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")

SETTINGS = DualEncoderSettings(
    embed_dim=16,
    image=ImageTowerSettings(architecture="test_vit"),
    text=TextTowerSettings(width=32, layers=2, heads=2, feedforward=64, max_tokens=12, dropout=0.3),
)


def one_step(**settings):
    network = DualEncoder(SETTINGS, 40)
    names = list(network.state_dict())
    prepare_towers(towers_of(network), TowerSettings(**settings))
    assert list(network.state_dict()) == names
    assert [name for name, _ in network.named_parameters()] == [
        name for name, _ in DualEncoder(SETTINGS, 40).named_parameters()
    ]
    calls = []
    blocks = [*network.image_tower.blocks, *network.text_tower.bert.encoder.layer]
    for at, block in enumerate(blocks):
        first = next(m for m in block.modules() if isinstance(m, nn.LayerNorm))
        first.register_forward_hook(lambda *_, at=at: calls.append(at))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, 160, 160, generator=generator)
    ids = torch.randint(5, 40, (2, 12), generator=generator)
    torch.manual_seed(7)
    outputs = network(pixels, ids, torch.ones(2, 12, dtype=torch.bool))
    loss = (outputs.image @ outputs.text.T).logsumexp(1).sum()
    loss.backward()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return loss, gradients, calls


def test_towers_of__finds_them_by_name():
    network = DualEncoder(SETTINGS, 40)
    assert list(towers_of(network)) == ["image_tower", "text_tower"]
    assert list(towers_of(nn.Linear(2, 2))) == ["network"]


@pytest.mark.parametrize("stride", [True, 2])
def test_checkpoint_activations__replays_dropout_and_changes_no_bit(stride):
    loss, gradients, calls = one_step()
    again, same, more_calls = one_step(checkpoint_activations=stride)
    assert torch.equal(loss, again)
    assert gradients.keys() == same.keys()
    assert all(torch.equal(gradients[name], same[name]) for name in gradients)
    counts = [more_calls.count(at) - calls.count(at) for at in range(max(calls) + 1)]
    num_image = len(DualEncoder(SETTINGS, 40).image_tower.blocks)
    every = 1 if stride is True else stride
    twice = [*(at % every == 0 for at in range(num_image)), *(at % every == 0 for at in range(2))]
    assert counts == [int(is_twice) for is_twice in twice]


def test_checkpoint_activations__hold_nothing_of_what_is_made_within_a_block():
    network = DualEncoder(SETTINGS, 40)
    prepare_towers(towers_of(network), TowerSettings(checkpoint_activations=True))
    made = []

    def note(_layer, _inputs, output) -> None:
        made.append(StorageWeakRef(output.untyped_storage()))

    for block in network.image_tower.blocks:
        block.mlp.fc1.register_forward_hook(note)
    outputs = network.project_image(torch.randn(2, 3, 160, 160))
    assert outputs.requires_grad
    assert len(made) == len(network.image_tower.blocks)
    assert all(storage.expired() for storage in made)


@pytest.mark.parametrize("settings", [{"compile": "blocks"}, {"compile": "whole"}])
@pytest.mark.slow
@compiles
def test_compile__gives_the_same_towers(settings):
    loss, gradients, _ = one_step()
    again, same, _ = one_step(**settings, backend="aot_eager")
    torch.testing.assert_close(again, loss, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == same.keys()


@compiles
def test_compile__of_blocks_goes_with_checkpointing():
    loss, gradients, _ = one_step(checkpoint_activations=True)
    again, same, _ = one_step(compile="blocks", backend="eager", checkpoint_activations=True)
    torch.testing.assert_close(again, loss, rtol=1e-5, atol=1e-5)
    for name in gradients:
        torch.testing.assert_close(same[name], gradients[name], rtol=1e-3, atol=1e-5)


def test_tower_settings__refuse_to_checkpoint_within_a_tower_compiled_as_a_whole():
    with pytest.raises(ValidationError, match="compile=whole and checkpoint_activations"):
        TowerSettings(compile="whole", checkpoint_activations=2)


def test_prepare_towers__refuses_a_tower_without_blocks():
    with pytest.raises(UsageError, match="a_tower is a Linear, in which no repeated") as caught:
        prepare_towers({"a_tower": nn.Linear(2, 2)}, TowerSettings(checkpoint_activations=True))
    assert caught.value.code == "MV1870"

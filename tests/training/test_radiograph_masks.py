"""Masks are learnt from phantoms' lesions; loss and Dice are those written out."""

import math

import pytest
import torch

from medvlp.data.modules_radiograph_masks import RadiographMasksDataModule
from medvlp.errors import ConfigError, UsageError
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.radiograph_masks import RadiographMasksModule, mask_loss
from tests.training.phantom_radiographs import ENCODER, FakeTrainer, descend, write_phantoms

RATE = OptimizerSettings(learning_rate=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "radiographs")


@pytest.fixture
def logged(monkeypatch):
    values: dict[str, float] = {}
    monkeypatch.setattr(
        RadiographMasksModule, "log", lambda self, name, value, **_: values.update({name: value})
    )
    monkeypatch.setattr(RadiographMasksModule, "current_epoch", 0)
    return values


@pytest.fixture
def take(monkeypatch):
    def start(data, **more):
        monkeypatch.setattr(RadiographMasksModule, "trainer", FakeTrainer(data))
        module = RadiographMasksModule(**{"encoder": ENCODER, "optimizer": RATE} | more)
        module.configure_model()
        return module

    return start


def test_mask_loss__is_dice_and_cross_entropy_by_hand():
    # three pixels of two classes with chances 1/2, 3/4 and 1/4 of the lesion; the last one unknown
    logits = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    logits[0, 1] = torch.tensor([[0.0, math.log(3)], [-math.log(3), 9.0]])
    mask = torch.tensor([[[1, 1], [0, 255]]])
    found = mask_loss(logits, mask)
    dice = 1 - (2 * (0.5 + 0.75) + 1) / ((0.5 + 0.75 + 0.25) + 2 + 1)
    entropy = -(math.log(0.5) + math.log(0.75) + math.log(0.75)) / 3
    assert found.terms["dice"].item() == pytest.approx(dice, abs=1e-6)
    assert found.terms["cross_entropy"].item() == pytest.approx(entropy, abs=1e-6)
    assert found.total.item() == pytest.approx(dice + entropy, abs=1e-6)
    weighted = mask_loss(logits, mask, 2.0, 0.5)
    assert weighted.total.item() == pytest.approx(2 * dice + entropy / 2, abs=1e-6)


def test_mask_loss__leaves_a_part_of_weight_0_out():
    logits, mask = torch.randn(1, 3, 2, 2), torch.tensor([[[0, 1], [2, 0]]])
    assert set(mask_loss(logits, mask, 0.0, 1.0).terms) == {"cross_entropy"}
    assert set(mask_loss(logits, mask, 1.0, 0.0).terms) == {"dice"}


def test_mask_loss__of_nothing_known_is_zero_with_a_gradient():
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    total = mask_loss(logits, torch.full((1, 2, 2), 255)).total
    total.backward()
    assert total.item() == 0
    assert logits.grad.abs().sum() == 0


def test_module__learns_where_lesions_of_phantoms_are(folder, take, logged):
    data = RadiographMasksDataModule(folder=folder, batch_size=8, augment=None)
    data.setup("fit")
    module = take(data, width=16)
    descend(module, data.train_dataloader(), 100)
    module.eval()
    with torch.no_grad():
        for number, batch in enumerate(data.loader("validation")):
            module.validation_step(batch, number)
    module.on_validation_epoch_end()
    assert logged["validation/dice"] == logged["validation/dice/lesion"] > 0.4
    assert logged["validation/dice/background"] > 0.95


def test_step__leaves_a_resting_tower_alone(folder, take, logged):
    data = RadiographMasksDataModule(folder=folder, batch_size=8)
    module = take(data, width=16, image_tower_epochs="all")
    tower = {
        name: value.clone() for name, value in module.network().image_tower.state_dict().items()
    }
    head = {name: value.clone() for name, value in module.network().head.state_dict().items()}
    descend(module, data.train_dataloader(), 1)
    after = module.network()
    assert all(torch.equal(value, tower[n]) for n, value in after.image_tower.state_dict().items())
    assert not all(torch.equal(value, head[n]) for n, value in after.head.state_dict().items())


def test_module__refuses_what_does_not_go_together(folder, take):
    with pytest.raises(ConfigError, match=r"neither of model\.image_from and model\.encoder"):
        RadiographMasksModule(optimizer=RATE)
    with pytest.raises(UsageError, match="nothing to learn") as caught:
        RadiographMasksModule(
            optimizer=RATE, encoder=ENCODER, dice_weight=0, cross_entropy_weight=0
        )
    assert caught.value.code == "MV1830"
    data = RadiographMasksDataModule(folder=folder, batch_size=8)
    small = ENCODER.model_copy(update={"input_px": 32})
    with pytest.raises(UsageError, match="64 pixels a side, and the network takes 32") as caught:
        take(data, encoder=small)
    assert caught.value.code == "MV1834"

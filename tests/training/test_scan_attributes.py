"""The network learns what is stated, and nothing from what is not."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from medvlp.errors import MedvlpError, UsageError
from medvlp.training.optimization import OptimizerSettings, RateSettings, ScheduleSettings
from medvlp.training.scan_attributes import ScanAttributesModule
from tests.training.scan_folders import (
    ATTRIBUTES,
    IMAGE,
    FakeTrainer,
    scans,
    windowed,
    write_crops_folder,
)

RATE = OptimizerSettings(learning_rate=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


@pytest.fixture
def logged(monkeypatch):
    values: dict[str, float] = {}
    monkeypatch.setattr(
        ScanAttributesModule, "log", lambda self, name, value, **_: values.update({name: value})
    )
    return values


@pytest.fixture
def data(folder, monkeypatch):
    made = scans(folder)
    monkeypatch.setattr(ScanAttributesModule, "trainer", FakeTrainer(made))
    return made


def built(**more) -> ScanAttributesModule:
    module = ScanAttributesModule(image=IMAGE, optimizer=RATE, **more)
    module.configure_model()
    return module


def batch_of(data):
    data.setup("fit")
    return next(iter(data.train_dataloader()))


def loss_by_hand(module, batch, weights=None) -> torch.Tensor:
    features = module.classifier.volume_tower(windowed(batch.volume))
    heads, total, start = module.classifier.heads, torch.zeros(()), 0
    for column, (name, classes) in enumerate(ATTRIBUTES.items()):
        rows = slice(start, start + len(classes))
        start += len(classes)
        logits = features @ heads.weight[rows].T + heads.bias[rows]
        labels = batch.attributes[:, column]
        known = [row for row in range(len(labels)) if labels[row] != -1]
        terms = [-functional.log_softmax(logits[row], dim=0)[labels[row]] for row in known]
        if weights is not None:
            terms = [weights[name][labels[r]] * t for r, t in zip(known, terms, strict=True)]
        total = total + sum(terms) / len(terms)
    return total


def test_training_step__is_the_sum_of_the_mean_losses_of_what_is_stated(data, logged):
    module, batch = built(), batch_of(data)
    assert (batch.attributes == -1).any()
    actual = module.training_step(batch, 0)
    torch.testing.assert_close(actual, loss_by_hand(module, batch), rtol=1e-5, atol=1e-6)
    assert float(logged["train/loss"]) == pytest.approx(actual.item())
    assert float(logged["train/labelled"]) == pytest.approx(
        float((batch.attributes >= 0).float().mean())
    )


def test_class_weights__are_those_of_the_training_split(data, logged):
    module, batch = built(class_weights="inverse"), batch_of(data)
    labels = np.array([rows[0].attributes for rows in data.dataset("train").kidneys])
    weights = {}
    for column, (name, classes) in enumerate(ATTRIBUTES.items()):
        known = labels[labels[:, column] >= 0, column]
        weights[name] = [
            len(known) / len(classes) / (known == c).sum() for c in range(len(classes))
        ]
    assert weights["mass"][0] > 1 > weights["mass"][1]
    expected = loss_by_hand(module, batch, weights)
    torch.testing.assert_close(module.training_step(batch, 0), expected, rtol=1e-5, atol=1e-6)


def test_training_step__learns_nothing_where_nothing_is_stated(data, logged):
    module, batch = built(), batch_of(data)
    object.__setattr__(batch, "attributes", torch.full_like(batch.attributes, -1))
    total = module.training_step(batch, 0)
    total.backward()
    assert total.item() == 0
    assert all(not p.grad.any() for p in module.parameters() if p.grad is not None)


def test_step__changes_tower_and_heads_and_the_loss_falls(data, logged):
    module, batch = built(), batch_of(data)
    optimizer = module.configure_optimizers()["optimizer"]
    before = {name: value.clone() for name, value in module.named_parameters()}
    losses = []
    for _ in range(5):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    same = {name for name, value in module.named_parameters() if torch.equal(value, before[name])}
    assert same == set()


def test_rates__part_the_tower_from_the_heads(data):
    slow = RateSettings(pattern="volume_tower.*", learning_rate=1e-4)
    settings = OptimizerSettings(learning_rate=0.01, rates=(slow,))
    module = ScanAttributesModule(
        image=IMAGE, optimizer=settings, schedule=ScheduleSettings(warmup_share=0)
    )
    module.configure_model()
    groups = module.configure_optimizers()["optimizer"].param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    network = module.network()
    assert {rate[id(p)] for p in network.volume_tower.parameters()} == {1e-4}
    assert {rate[id(p)] for p in network.heads.parameters()} == {0.01}


def see(module, number, logits, labels) -> None:
    module._seen.add(number, labels=labels, **{f"of {name}": x for name, x in logits.items()})


def test_validation__scores_each_attribute_on_what_is_stated(data, logged):
    module = built()
    labels = torch.tensor([[0, -1], [1, 0], [1, 2], [1, -1]])
    mass = torch.tensor([0, 1, 0, 1])  # one of three present ones is missed
    pole = torch.tensor([0, 0, 2, 1])
    logits = {
        "mass": functional.one_hot(mass, 2).float() * 9,
        "pole": functional.one_hot(pole, 3).float() * 9,
    }
    for number, rows in enumerate((slice(2), slice(2, 4))):
        see(module, number, {name: x[rows] for name, x in logits.items()}, labels[rows])
    module.validation_step(None, 2)
    module.on_validation_epoch_end()
    assert logged["validation/mass/accuracy"] == pytest.approx(3 / 4)
    assert logged["validation/mass/balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert logged["validation/pole/accuracy"] == 1.0
    assert logged["validation/accuracy"] == pytest.approx(7 / 8)
    assert logged["validation/balanced_accuracy"] == pytest.approx((1 + 5 / 6) / 2)
    # three sure and right, one sure and wrong; both of the other attribute right
    sure, wrong = np.log1p(np.exp(-9)), 9 + np.log1p(np.exp(-9))
    expected = (3 * sure + wrong) / 4 + np.log1p(2 * np.exp(-9))
    assert float(logged["validation/loss"]) == pytest.approx(expected, rel=1e-5)
    logged.clear()
    module.on_validation_epoch_end()
    assert logged == {}


def test_validation__leaves_out_attributes_that_nothing_is_stated_of(data, logged):
    module = built()
    logits = {"mass": torch.eye(2), "pole": torch.zeros(2, 3)}
    see(module, 0, logits, torch.tensor([[0, -1], [1, -1]]))
    module.on_validation_epoch_end()
    assert logged["validation/accuracy"] == 1.0
    assert not any(name.startswith("validation/pole") for name in logged)


def test_configure_model__gives_the_same_weights_for_a_seed_and_only_once(data):
    one, two, other = built(), built(), built(seed=1)
    states = [module.network().state_dict() for module in (one, two, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["heads.weight"], states[2]["heads.weight"])
    kept = one.network()
    one.configure_model()
    assert one.network() is kept


def test_configure_model__refuses_crops_without_attributes(data, monkeypatch):
    monkeypatch.setattr(type(data), "attributes", {})
    with pytest.raises(UsageError, match="no attributes to learn") as caught:
        built()
    assert caught.value.code == "MV1736"


def test_training_step__names_logits_that_are_no_numbers(data, logged):
    module = built()
    module.network().heads.weight.data.fill_(torch.nan)
    with pytest.raises(MedvlpError, match="NaN or Inf"):
        module.training_step(batch_of(data), 0)

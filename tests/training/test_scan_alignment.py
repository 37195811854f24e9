"""Crops and reports meet by the objective; what rests stays, and hits are counted right."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from medvlp.data.scan_texts import write_text_features
from medvlp.errors import ConfigError, MedvlpError, ModelError, UsageError
from medvlp.losses.report import LossReport
from medvlp.training.freezing import FreezeSettings
from medvlp.training.optimization import OptimizerSettings, RateSettings
from medvlp.training.scan_alignment import ScanAlignmentModule, _as_pairs
from tests.training.scan_folders import (
    ENCODER,
    REPORTS,
    VECTORS,
    FakeTrainer,
    scans,
    windowed,
    write_crops_folder,
)

RATE = OptimizerSettings(learning_rate=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "vectors.safetensors"
    values = np.random.default_rng(0).normal(size=(len(REPORTS), 5)).astype(np.float32)
    write_text_features(path, REPORTS, values)
    return path


@pytest.fixture
def logged(monkeypatch):
    values: dict[str, float] = {}
    monkeypatch.setattr(
        ScanAlignmentModule, "log", lambda self, name, value, **_: values.update({name: value})
    )
    monkeypatch.setattr(ScanAlignmentModule, "current_epoch", 0)
    return values


@pytest.fixture
def take(monkeypatch):
    def start(data, encoder=ENCODER, **more) -> ScanAlignmentModule:
        monkeypatch.setattr(ScanAlignmentModule, "trainer", FakeTrainer(data))
        module = ScanAlignmentModule(encoder=encoder, **{"optimizer": RATE} | more)
        module.configure_model()
        return module

    return start


def batch_of(data):
    data.setup("fit")
    return next(iter(data.train_dataloader()))


def loss_by_hand(image, text, scale, is_positive) -> torch.Tensor:
    """Mean over images and texts of -log softmax, averaged over the positives of each."""
    logits = scale * image @ text.T
    losses = []
    for values, positive in ((logits, is_positive), (logits.T, is_positive.T)):
        logs = [functional.log_softmax(row, dim=0) for row in values]
        own = [-log[mask].mean() for log, mask in zip(logs, positive, strict=True)]
        losses.append(torch.stack(own).mean())
    return (losses[0] + losses[1]) / 2


@pytest.mark.parametrize("objective", ["clip", "grouped"])
def test_training_step__is_the_objective_on_windowed_crops(folder, take, logged, objective):
    data = scans(folder, "tokens")
    module, batch = take(data, objective=objective), batch_of(data)
    same = batch.report_group[:, None] == batch.report_group
    assert same.sum() > len(batch)
    torch.manual_seed(0)
    actual = module.training_step(batch, 0)
    torch.manual_seed(0)
    model = module.network()
    image = model.volume_projection(model.volume_tower(windowed(batch.volume)))
    text = model.text_projection(model.text_tower(batch.tokens.ids, batch.tokens.mask))
    image, text = (functional.normalize(x, dim=1) for x in (image, text))
    positive = same if objective == "grouped" else torch.eye(len(batch)).bool()
    expected = loss_by_hand(image, text, 1 / 0.07, positive)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    assert logged["train/logit_scale"].item() == pytest.approx(1 / 0.07)


def test_vectors__stand_for_reports_without_a_text_tower(folder, vectors, take, logged):
    data = scans(folder, "features", text_features=vectors)
    module, batch = take(data, VECTORS), batch_of(data)
    actual = module.training_step(batch, 0)
    model = module.network()
    assert model.text_tower is None
    image = functional.normalize(model.project_volume(windowed(batch.volume)), dim=1)
    rows = [data.features.of(REPORTS[group]) for group in batch.report_group]
    text = functional.normalize(torch.from_numpy(np.stack(rows)), dim=1)
    expected = loss_by_hand(image, text, 1 / 0.07, torch.eye(len(batch)).bool())
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_as_pairs__groups_crops_whose_reports_say_the_same(folder):
    batch = batch_of(scans(folder, "tokens"))
    pairs = _as_pairs(batch)
    said = [REPORTS[group] for group in batch.report_group]
    expected = torch.tensor([[one == two for two in said] for one in said])
    group = pairs.relation().group
    assert torch.equal(group[:, None] == group, expected)
    assert expected.sum() > (batch.patient[:, None] == batch.patient).sum()
    assert pairs.weight.tolist() == [1.0] * len(batch)


def moved_by_a_step(module, batch) -> set[str]:
    optimizer = module.configure_optimizers()["optimizer"]
    module.train().on_train_start()
    before = {name: value.clone() for name, value in module.network().state_dict().items()}
    module.training_step(batch, 0).backward()
    optimizer.step()
    after = module.network().state_dict()
    return {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}


@pytest.mark.parametrize(
    ("freeze", "resting"),
    [
        (FreezeSettings(), set()),
        (FreezeSettings(text_tower_epochs="all"), {"text_tower"}),
        (FreezeSettings(image_tower_epochs=1), {"volume_tower"}),
    ],
)
def test_step__changes_all_but_what_rests(folder, take, logged, freeze, resting):
    data = scans(folder, "tokens")
    module = take(data, freeze=freeze)
    everything = {name for name, _ in module.network().named_children()} | {"logit_scale"}
    assert moved_by_a_step(module, batch_of(data)) == everything - resting


def test_rates__give_the_network_a_rate_of_its_own(folder, vectors, take, logged):
    data = scans(folder, "features", text_features=vectors)
    slow = RateSettings(pattern="volume_tower.*", learning_rate=1e-5)
    module = take(data, VECTORS, optimizer=OptimizerSettings(learning_rate=5e-4, rates=(slow,)))
    groups = module.configure_optimizers()["optimizer"].param_groups
    rate = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    model = module.network()
    assert {rate[id(p)] for p in model.volume_tower.parameters()} == {1e-5}
    assert {rate[id(p)] for p in model.volume_projection.parameters()} == {5e-4}
    assert rate[id(model.logit_scale)] == 5e-4


def test_chunks__give_the_loss_and_gradients_of_the_batch_where_norms_rest(folder, take, logged):
    data = scans(folder, "tokens")
    batch, grads, losses = batch_of(data), [], []
    for chunk_size in (None, 3):
        module = take(data, chunk_size=chunk_size)
        module.network().eval()
        loss = module.training_step(batch, 0)
        loss.backward()
        losses.append(loss.item())
        grads.append({name: p.grad for name, p in module.network().named_parameters()})
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, gradient in grads[0].items():
        if gradient is not None:
            torch.testing.assert_close(grads[1][name], gradient, rtol=1e-3, atol=1e-5)


def test_bound_weights__keeps_the_logit_scale_in_its_bounds(folder, take, logged):
    module = take(scans(folder, "tokens"))
    module.network().logit_scale.data.fill_(50.0)
    module.bound_weights()
    assert module.network().logit_scale.exp().item() == pytest.approx(100.0, rel=1e-5)


def test_validation__counts_identical_reports_as_hits_both_ways(folder, take, logged):
    module = take(scans(folder, "tokens"))
    corner = torch.eye(4)
    text = corner[[0, 1, 2, 3]]
    image = 0.8 * corner[[1, 0, 3, 2]] + 0.6 * corner  # nearest to the neighbour's text, then own
    group = torch.tensor([7, 7, 8, 9])  # the neighbour's is the own report for the first two
    for number, rows in enumerate((slice(1), slice(1, 4))):
        parts = {"image": image[rows], "text": text[rows], "group": group[rows]}
        module._seen.add(number, number=torch.full_like(group[rows], number), **parts)
    module.validation_step(None, 2)
    module.on_validation_epoch_end()
    for way in ("image_to_text", "text_to_image"):
        assert logged[f"validation/{way}/recall_1"] == 0.5
        assert logged[f"validation/{way}/recall_5"] == 1.0
    assert logged["validation/recall_1"] == 0.5
    logged.clear()
    module.on_validation_epoch_end()
    assert logged == {}


def test_training_step__stops_at_a_loss_that_is_no_number(folder, take, logged):
    data = scans(folder, "tokens")
    module, batch = take(data), batch_of(data)
    module._objective = lambda outputs, pairs: LossReport(total=torch.tensor(torch.nan))
    with pytest.raises(MedvlpError, match="the loss is nan at step 0") as caught:
        module.training_step(batch, 0)
    assert caught.value.code == "MV1703"


def test_module__refuses_objectives_that_scans_cannot_have():
    with pytest.raises(ConfigError, match="'kep' needs a knowledge encoder"):
        ScanAlignmentModule(encoder=ENCODER, optimizer=RATE, objective="kep")
    with pytest.raises(ConfigError, match="did you mean 'grouped'"):
        ScanAlignmentModule(encoder=ENCODER, optimizer=RATE, objective="groupd")


def test_configure_model__refuses_model_and_data_that_do_not_go_together(
    folder, vectors, take, tmp_path
):
    features = scans(folder, "features", text_features=vectors)
    with pytest.raises(UsageError, match=r"data.text='none', and the model is with a text tower"):
        take(scans(folder))
    with pytest.raises(UsageError, match=r"expected data.text='features'"):
        take(scans(folder, "tokens"), VECTORS)
    with pytest.raises(UsageError, match=r"max_tokens=25 .*encoder\.text\.max_tokens=24"):
        take(scans(folder, "tokens", max_tokens=25))
    for more in ({"text_from": tmp_path}, {"freeze": FreezeSettings(text_tower_epochs=1)}):
        with pytest.raises(UsageError, match="is set without a text tower"):
            take(features, VECTORS, **more)
    with pytest.raises(UsageError, match=r"model\.texts_from is set"):
        take(scans(folder, "tokens"), texts_from=tmp_path)
    head = VECTORS.head.model_copy(update={"dim": 6})
    with pytest.raises(ModelError, match="vectors of data have 5 values") as caught:
        take(features, VECTORS.model_copy(update={"head": head}))
    assert caught.value.code == "MV1737"

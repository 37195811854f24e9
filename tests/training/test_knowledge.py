"""AdaSP by the module gives the published numbers, and trained names find their texts."""

import numpy as np
import pytest
import torch

from medvlp.data.attributes import AttributeBatch
from medvlp.data.batch import TextTokens
from medvlp.errors import ConfigError, MedvlpError, UsageError
from medvlp.losses.report import LossReport
from medvlp.models.architecture import TextTowerSettings
from medvlp.training.knowledge import AdaspObjective, KnowledgeModule
from medvlp.training.knowledge_data import AttributesDataModule, KnowledgeSource
from medvlp.training.optimization import OptimizerSettings
from tests.training.knowledge_texts import cancer_graph

TEXT = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=24)


@pytest.mark.parametrize("variant", ["sp-h", "sp-lh", "adasp"])
def test_adasp__gives_the_numbers_of_the_published_program(vectors, variant):
    prefix = variant.replace("-", "_")
    paths = sorted(vectors.glob("kep_adasp__*.npz"))
    assert paths
    for path in paths:
        arrays = np.load(path)
        features = torch.tensor(arrays["features"]).double().requires_grad_()
        scale = torch.tensor(1.0 / arrays["temperature"])
        group = torch.tensor(arrays["labels"])
        loss = AdaspObjective(variant)(features, scale, group).total
        (gradient,) = torch.autograd.grad(loss, features)
        closed = f"{prefix}__loss_closed_form"
        expected = arrays[closed if closed in arrays else f"{prefix}__loss"]
        np.testing.assert_allclose(loss.item(), expected, rtol=1e-6)
        if f"{prefix}__grad" in arrays:
            expected = arrays[f"{prefix}__grad"]
            np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-6, atol=1e-9)


class FakeTrainer:
    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 10
    num_training_batches = 5

    def __init__(self, datamodule):
        self.datamodule = datamodule


def build(**more) -> KnowledgeModule:
    optimizer = OptimizerSettings(learning_rate=0.01)
    return KnowledgeModule(text=TEXT, embed_dim=8, optimizer=optimizer, **more)


@pytest.fixture
def data() -> AttributesDataModule:
    from medvlp.data.groups import GroupBatches
    from medvlp.knowledge.attributes import AttributeSettings

    source = KnowledgeSource.of_graph(cancer_graph(), None, AttributeSettings())
    groups = GroupBatches(groups_per_batch=4, samples_per_group=4, with_anchor=True)
    return AttributesDataModule(source, groups=groups, max_tokens=24, validation_share=0.3)


@pytest.fixture
def module(data, monkeypatch) -> KnowledgeModule:
    built = build(temperature=0.04)
    monkeypatch.setattr(KnowledgeModule, "trainer", FakeTrainer(data))
    built.configure_model()
    return built


@pytest.fixture
def logged(monkeypatch) -> dict[str, float]:
    values: dict[str, float] = {}
    monkeypatch.setattr(
        KnowledgeModule, "log", lambda self, name, value, **_: values.update({name: float(value)})
    )
    return values


def test_training_step__is_adasp_of_unit_vectors_at_the_temperature(module, data, logged):
    batch = next(iter(data.train_dataloader()))
    assert len(batch) == 16
    assert len(set(batch.group_id.tolist())) == 4
    actual = module.training_step(batch, 0)
    features = module.text(batch.text.ids, batch.text.mask)
    assert torch.allclose(features.norm(dim=1), torch.ones(16), atol=1e-6)
    expected = AdaspObjective()(features, torch.tensor(25.0), batch.group_id).total
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)
    assert logged["train/loss"] == pytest.approx(actual.item())
    assert logged["train/scale"] == pytest.approx(25.0)


def test_training_step__stops_at_a_loss_that_is_no_number(module, data, logged):
    module._objective = lambda *args: LossReport(total=torch.tensor(torch.nan))
    with pytest.raises(MedvlpError, match=r"MV1703: the loss is nan at step 0"):
        module.training_step(next(iter(data.train_dataloader())), 0)


def test_validation__scores_names_against_the_texts_held_out(module, logged):
    vectors = torch.nn.functional.one_hot(torch.tensor([0, 1, 0, 1]), 8).float()
    module._embed = lambda batch: vectors
    batch = AttributeBatch(
        text=TextTokens(ids=torch.zeros(4, 1).long(), mask=torch.ones(4, 1).bool()),
        group_id=torch.tensor([0, 1, 0, 1]),
        is_name=torch.tensor([True, True, False, False]),
        sample_id=torch.arange(4),
    )
    module.validation_step(batch, 0)
    module.validation_step(None, 1)
    module.on_validation_epoch_end()
    assert logged == {f"validation/{n}": 1.0 for n in ("mean_ap", "cmc_1", "cmc_5", "cmc_10")}
    logged.clear()
    module.on_validation_epoch_end()
    assert logged == {}


def test_temperature__is_fixed_unless_learned_and_stays_in_its_bounds(module, monkeypatch):
    fixed = module.configure_optimizers()["optimizer"]
    learned = build(learn_temperature=True)
    learned.configure_model()
    free = learned.configure_optimizers()["optimizer"]
    counts = [sum(len(g["params"]) for g in o.param_groups) for o in (fixed, free)]
    assert counts[1] == counts[0] + 1
    learned.temperature.log_scale.data.fill_(50.0)
    learned.bound_weights()
    assert float(learned.temperature().detach()) == pytest.approx(100.0, rel=1e-5)


def test_module__refuses_what_does_not_go_together(module, data):
    with pytest.raises(ConfigError, match="did you mean 'adasp'"):
        build(variant="adaspp")
    with pytest.raises(ConfigError, match=r"model.temperature=0.001 is not valid"):
        build(temperature=0.001)
    data.max_tokens = 25
    with pytest.raises(UsageError, match=r"max_tokens=25 .* at most model.text.max_tokens=24"):
        build().configure_model()

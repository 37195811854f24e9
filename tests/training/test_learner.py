"""What all recipes' modules share: figures, losses that are numbers, the right data."""

import pytest
import torch

from medvlp.errors import MedvlpError, UsageError
from medvlp.losses.report import LossReport
from medvlp.training.learner import Learner, check_text_length
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings


class FakeTrainer:
    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 10
    datamodule = 3.5


class Line(Learner):
    def __init__(self) -> None:
        super().__init__(
            subject="the line",
            compared="points",
            optimizer=OptimizerSettings(learning_rate=0.01),
            schedule=ScheduleSettings(),
        )
        self.line = torch.nn.Linear(2, 1)
        self.offset = torch.nn.Parameter(torch.zeros(()))

    def network(self) -> torch.nn.Module:
        return self.line

    def further_weights(self):
        return [("offset", self.offset)]


@pytest.fixture
def learner(monkeypatch) -> Line:
    monkeypatch.setattr(Line, "trainer", FakeTrainer())
    return Line()


def test_learner__needs_to_be_told_what_is_trained():
    with pytest.raises(TypeError, match="abstract"):
        Learner(subject="x", compared="y", optimizer=None, schedule=None)


def test_on_fit_start__refuses_several_processes(learner, monkeypatch):
    learner.on_fit_start()
    monkeypatch.setattr(FakeTrainer, "world_size", 3)
    learner.on_fit_start()
    monkeypatch.setattr(Line, "joins_ranks", False)
    with pytest.raises(UsageError, match=r"the line cannot run on 3 .* its own points") as caught:
        learner.on_fit_start()
    assert caught.value.code == "MV1706"


def test_configure_optimizers__takes_the_network_and_further_weights_once_each(learner):
    groups = learner.configure_optimizers()["optimizer"].param_groups
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(
        map(id, (learner.line.weight, learner.line.bias, learner.offset))
    )


def test_data_of__names_what_was_given_instead(learner):
    assert learner.data_of(float) == 3.5
    with pytest.raises(TypeError, match="Line is trained on str, got float"):
        learner.data_of(str)


def test_descend__logs_the_loss_and_its_parts_and_looks_every_20_steps(learner, monkeypatch):
    logged = {}
    monkeypatch.setattr(Line, "log", lambda self, n, v, **more: logged.update({n: (v, more)}))
    total = torch.tensor(2.0, requires_grad=True)
    report = LossReport(total=total, terms={"part": torch.tensor(1)})
    assert learner.descend(report, 1, 4) is total
    assert set(logged) == {"train/loss", "train/part"}
    assert not logged["train/loss"][0].requires_grad
    assert logged["train/part"][0].dtype == torch.float32
    assert logged["train/part"][1] == {"batch_size": 4}
    bad = LossReport(total=torch.tensor(torch.inf))
    learner.descend(bad, 19, 4)
    with pytest.raises(MedvlpError, match="the loss is inf at step 0") as caught:
        learner.descend(bad, 20, 4)
    assert caught.value.code == "MV1703"


def test_check_text_length__names_the_setting():
    check_text_length(16, 16, "model.text.max_tokens")
    with pytest.raises(UsageError, match=r"max_tokens=17 .* at most model\.text\.max_tokens=16"):
        check_text_length(17, 16, "model.text.max_tokens")


def test_optimizer_step__lets_go_of_gradients_when_weights_were_changed(learner, monkeypatch):
    step = "lightning.pytorch.LightningModule.optimizer_step"
    monkeypatch.setattr(step, lambda self, epoch, batch, optimizer, closure: optimizer.step())
    optimizer = learner.configure_optimizers()["optimizer"]
    before = learner.line.weight.detach().clone()
    learner.line.weight.grad = torch.ones_like(before)
    learner.optimizer_step(0, 0, optimizer)
    assert not torch.equal(learner.line.weight, before)
    assert all(weight.grad is None for weight in learner.parameters())

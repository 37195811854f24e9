"""What is done to a module before it is spread over processes."""

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from medvlp.models.joined_norm import JoinedBatchNorm
from medvlp.training import joining
from medvlp.training.joining import JoinRanks
from medvlp.training.learner import Learner
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings


class FakeTrainer:
    def __init__(self, **options) -> None:
        self.strategy = DDPStrategy(**options)


class Towers(Learner):
    def __init__(self, epochs) -> None:
        super().__init__(
            subject="towers",
            compared="points",
            optimizer=OptimizerSettings(learning_rate=0.01),
            schedule=ScheduleSettings(),
        )
        self.image = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.text = nn.Linear(2, 3)
        self._epochs = epochs

    def network(self) -> nn.Module:
        return self.image

    def resting(self):
        return [(self.image, self._epochs), (self.text, 0)]


@pytest.fixture
def spread(monkeypatch):
    def spread(epochs, ranks, **options):
        monkeypatch.setattr(joining, "world_size", lambda: ranks)
        monkeypatch.setattr(Towers, "trainer", FakeTrainer(**options))
        return JoinRanks().apply(Towers(epochs))

    return spread


def test_apply__does_nothing_on_one_process(spread):
    module = spread("all", 1)
    assert type(module.image[1]) is nn.BatchNorm1d
    assert module.trainer.strategy._ddp_kwargs == {}


def test_apply__joins_batch_norms_and_lets_buffers_and_gradients_be(spread):
    module = spread(0, 2, gradient_as_bucket_view=False)
    assert isinstance(module.image[1], JoinedBatchNorm)
    told = module.trainer.strategy._ddp_kwargs
    assert told == {**joining._DDP, "gradient_as_bucket_view": False}
    assert len(told) == 2
    assert module._ddp_params_and_buffers_to_ignore == []
    assert type(JoinRanks().revert(module).image[1]) is nn.BatchNorm1d


def test_apply__tells_ddp_of_towers_that_rest_for_good_or_for_some_epochs(spread):
    module = spread("all", 2)
    named = [n for n, _ in (*module.named_parameters(), *module.named_buffers())]
    expected = [name for name in named if name.startswith("image.")]
    assert module._ddp_params_and_buffers_to_ignore == expected
    assert len(expected) == 7
    assert "find_unused_parameters" not in module.trainer.strategy._ddp_kwargs
    module = spread(2, 2)
    assert module.trainer.strategy._ddp_kwargs["find_unused_parameters"]
    assert module._ddp_params_and_buffers_to_ignore == []


def test_apply__takes_modules_of_others(monkeypatch):
    monkeypatch.setattr(joining, "world_size", lambda: 2)
    assert isinstance(JoinRanks().apply(nn.BatchNorm1d(2)), JoinedBatchNorm)
    assert torch.equal(JoinRanks().apply(nn.Identity())(torch.ones(1)), torch.ones(1))

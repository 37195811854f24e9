"""Gathering from several ranks is tested with dividing, in ``test_wrapping``."""

from torch import nn

from medvlp.training.sharded.export import gather_weights


def test_gather_weights__leaves_whole_ones_alone() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = dict(module.named_parameters())
    gather_weights(module)
    assert all(parameter is before[name] for name, parameter in module.named_parameters())

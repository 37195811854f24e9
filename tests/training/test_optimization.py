"""The learning rate rises, falls and ends where it should; only matrices decay."""

import pytest
import torch

from medvlp.training.optimization import (
    OptimizerSettings,
    ScheduleSettings,
    build_optimizer,
    learning_rate_factor,
)


def test_learning_rate_factor__worked_by_hand():
    # 2 of 7 steps warm up: 1/2, 1; then half a cosine over 5 steps: 1, 0.8536, 0.5, 0.1464, 0
    settings = ScheduleSettings(warmup_share=2 / 7)
    actual = [learning_rate_factor(step, 7, settings) for step in range(7)]
    expected = [0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447, 0.0]
    assert actual == pytest.approx(expected, abs=1e-6)


def test_learning_rate_factor__ends_at_the_last_share_and_stays_there():
    settings = ScheduleSettings(warmup_share=0.0, last_share=0.1)
    assert learning_rate_factor(0, 10, settings) == pytest.approx(1.0)
    for step in (9, 10, 50):
        assert learning_rate_factor(step, 10, settings) == pytest.approx(0.1)


def test_learning_rate_factor__of_a_run_of_one_step_is_the_largest():
    assert learning_rate_factor(0, 1, ScheduleSettings()) == 1.0


def test_build_optimizer__decays_matrices_only_and_covers_every_weight():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    module.register_parameter("scale", torch.nn.Parameter(torch.tensor(1.0)))
    module.register_parameter("frozen", torch.nn.Parameter(torch.ones(2), requires_grad=False))
    settings = OptimizerSettings(learning_rate=0.01, weight_decay=0.2, beta2=0.9, epsilon=1e-7)
    optimizer = build_optimizer(module, settings)
    decayed, plain = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3)]
    assert sorted(tuple(p.shape) for p in plain["params"]) == [(), (4,), (4,), (4,)]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.2, 0.0)
    assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (0.01, (0.9, 0.9))
    assert optimizer.defaults["eps"] == 1e-7

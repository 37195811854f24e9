"""The learning rate rises, falls and ends where it should; only matrices decay."""

import math

import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision

from medvlp.errors import ConfigError
from medvlp.training.optimization import (
    OptimizerSettings,
    RateSettings,
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


def test_learning_rate_factor__warms_up_for_exactly_one_epoch_then_falls_to_zero():
    # 3 epochs of 4 steps: 1/4 ... 4/4, then half a cosine over 8 steps from 1 to 0
    settings = ScheduleSettings(warmup_epochs=1)
    actual = [learning_rate_factor(step, 12, settings, steps_per_epoch=4) for step in range(12)]
    assert actual[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    falling = [0.5 * (1 + math.cos(math.pi * step / 7)) for step in range(8)]
    assert actual[4:] == pytest.approx(falling, abs=1e-12)
    assert actual[-1] == 0.0


def test_schedule__takes_a_warm_up_in_epochs_or_as_a_share_but_not_both():
    with pytest.raises(ValueError, match=r"warmup_share=0.1 and warmup_epochs=1.0 are both given"):
        ScheduleSettings(warmup_share=0.1, warmup_epochs=1.0)
    assert ScheduleSettings().warmup_steps(100, 10) == 10
    assert ScheduleSettings(warmup_share=0.0).warmup_steps(100, 10) == 0


def towers() -> torch.nn.ModuleDict:
    parts = {name: torch.nn.Linear(2, 3) for name in ("image_tower", "text_tower", "head")}
    return torch.nn.ModuleDict(parts)


def test_build_optimizer__gives_every_weight_one_group_and_towers_their_own_rate():
    module = towers()
    extra = torch.nn.Parameter(torch.zeros(()))
    settings = OptimizerSettings(
        learning_rate=0.1,
        rates=(
            RateSettings(pattern="image_tower.*", learning_rate=0.01),
            RateSettings(pattern="text_tower.weight", learning_rate=0.02),
        ),
    )
    groups = build_optimizer(module, settings, further=[("bias", extra)]).param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rate) == 7
    expected = {"image_tower.weight": 0.01, "image_tower.bias": 0.01, "text_tower.weight": 0.02}
    for name, parameter in module.named_parameters():
        assert rate[id(parameter)] == expected.get(name, 0.1)
    assert rate[id(extra)] == 0.1


@pytest.mark.parametrize(
    ("patterns", "phrase"),
    [
        (["imag_tower.*"], r"'imag_tower.\*' names no weight"),
        (["image_tower.*", "*.weight"], r"'image_tower.weight' is named by 'image_tower.\*' and"),
    ],
)
def test_build_optimizer__refuses_patterns_that_name_nothing_or_the_same(patterns, phrase):
    rates = tuple(RateSettings(pattern=p, learning_rate=0.01) for p in patterns)
    with pytest.raises(ConfigError, match=phrase):
        build_optimizer(towers(), OptimizerSettings(learning_rate=0.1, rates=rates))


def test_least_rate__is_a_floor_for_each_weight_by_its_own_rate():
    settings = ScheduleSettings(last_share=0.01, least_rate=1e-6)
    # max(lr / 100, 1e-6), as published for 1e-5 and 5e-4; a rate below the floor stays as it is
    for rate, last in ((1e-5, 1e-6), (5e-4, 5e-6), (5e-7, 5e-7)):
        share = settings.last_share_of(rate)
        assert rate * share == pytest.approx(last)
        end = learning_rate_factor(99, 100, settings, last_share=share)
        assert rate * end == pytest.approx(last)
    assert learning_rate_factor(99, 100, settings) == pytest.approx(0.01)


@pytest.mark.parametrize("fused", [False, True])
def test_build_optimizer__lets_gradients_of_autocast_be_clipped(fused):
    module = torch.nn.Linear(3, 2)
    optimizer = build_optimizer(module, OptimizerSettings(learning_rate=0.1), fused=fused)
    (100.0 * module(torch.ones(1, 3))).sum().backward()
    MixedPrecision("bf16-mixed", "cpu").clip_gradients(optimizer, 1.0)
    norms = torch.stack([parameter.grad.norm() for parameter in module.parameters()])
    torch.testing.assert_close(norms.norm(), torch.tensor(1.0))
    optimizer.step()

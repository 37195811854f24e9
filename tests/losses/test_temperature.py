import math

import pytest
import torch
from torch import nn

from medvlp.losses.temperature import Bias, Temperature, clamp_learned_scales


def test_temperature__starts_at_its_scale_and_learns_its_logarithm():
    temperature = Temperature(25.0)
    assert temperature().item() == pytest.approx(25.0, rel=1e-6)
    temperature().backward()
    # d exp(theta) / d theta = exp(theta)
    assert temperature.log_scale.grad.item() == pytest.approx(25.0, rel=1e-6)


def test_temperature__is_not_clamped_before_the_step_is_over():
    temperature = Temperature(100.0)
    with torch.no_grad():
        temperature.log_scale += 1.0
    assert temperature().item() > 200
    temperature().backward()
    assert temperature.log_scale.grad.item() > 200
    temperature.clamp_()
    assert temperature().item() == pytest.approx(100.0, rel=1e-6)


def test_clamp_learned_scales__reaches_every_part_of_a_model():
    model = nn.ModuleDict({"a": Temperature(2.0), "b": nn.Sequential(Bias(-3.0, maximum=0.0))})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1000.0)
    clamp_learned_scales(model)
    assert model["a"].log_scale.item() == pytest.approx(math.log(100.0), rel=1e-6)
    assert model["b"][0]().item() == 0.0


def test_bias__has_no_bounds_unless_given():
    bias = Bias()
    assert bias().item() == -10.0
    with torch.no_grad():
        bias.value -= 1e6
    bias.clamp_()
    assert bias().item() == -1e6 - 10


def test_learned_scales__refuse_a_start_outside_their_range():
    with pytest.raises(ValueError, match="0 < minimum <= scale <= maximum"):
        Temperature(200.0)
    with pytest.raises(ValueError, match="minimum <= value <= maximum"):
        Bias(1.0, maximum=0.0)

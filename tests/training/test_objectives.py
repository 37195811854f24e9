"""Objectives are chosen by name, and a wrong name or option is answered with the valid ones."""

import pytest
import torch

from medvlp.data.batch import Batch, TextTokens
from medvlp.errors import ConfigError
from medvlp.losses.contrastive import clip_loss
from medvlp.losses.report import LossReport
from medvlp.models.dual_encoder import DualOutput
from medvlp.training.objectives import OBJECTIVES, build_objective


def pairs(count: int) -> Batch:
    return Batch(
        image=torch.zeros(count, 1, 1, 3, dtype=torch.uint8),
        text=TextTokens(ids=torch.zeros(count, 1).long(), mask=torch.ones(count, 1).bool()),
        group_id=torch.zeros(count).long(),
        concept_id=torch.full((count,), -1),
        sample_id=tuple(map(str, range(count))),
        weight=torch.ones(count),
    )


def test_clip__is_the_clip_loss_with_a_gradient():
    generator = torch.Generator().manual_seed(0)
    image, text = (
        torch.nn.functional.normalize(torch.randn(5, 4, generator=generator), dim=1)
        for _ in range(2)
    )
    image.requires_grad_()
    outputs = DualOutput(image=image, text=text, logit_scale=torch.tensor(9.0))
    report = build_objective("clip", {})(outputs, pairs(5))
    assert isinstance(report, LossReport)
    torch.testing.assert_close(report.total, clip_loss(image, text, 9.0), rtol=0, atol=0)
    assert report.total.requires_grad
    assert not report.terms["clip"].requires_grad


def test_build_objective__names_the_nearest_objective():
    with pytest.raises(ConfigError, match=r"objective 'clipp' is unknown \(did you mean 'clip'"):
        build_objective("clipp", {})


def test_build_objective__refuses_options_that_have_no_effect():
    with pytest.raises(ConfigError, match="objective 'clip' has no option 'margin'; expected no"):
        build_objective("clip", {"margin": 1.0})


def test_build_objective__hands_options_on_and_names_the_nearest(monkeypatch):
    monkeypatch.setattr(OBJECTIVES, "_entries", {"x": lambda temperature: temperature})
    assert build_objective("x", {"temperature": 0.5}) == 0.5
    with pytest.raises(ConfigError, match=r"did you mean 'temperature'\?\); expected one of"):
        build_objective("x", {"temprature": 0.5})

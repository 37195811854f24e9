"""Objectives are chosen by name, and a wrong name or option is answered with the valid ones."""

import dataclasses

import pytest
import torch

from medvlp.data.batch import Batch, TextTokens
from medvlp.errors import ConfigError
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.relations import PairRelation, pack_related
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
    logits = 9.0 * image.detach() @ text.T
    target = torch.arange(5)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
    torch.testing.assert_close(report.total, expected, rtol=1e-6, atol=0, check_dtype=False)
    assert report.total.requires_grad
    assert not any(term.requires_grad for term in report.terms.values())


def test_grouped__takes_pairs_of_one_group_as_positives():
    generator = torch.Generator().manual_seed(0)
    image, text = (
        torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1)
        for _ in range(2)
    )
    batch = dataclasses.replace(pairs(4), group_id=torch.tensor([0, 1, 0, 2]))
    outputs = DualOutput(image=image, text=text, logit_scale=torch.tensor(9.0))
    relation = PairRelation(group=batch.group_id)
    expected = info_nce_loss(image, text, torch.tensor(9.0), relation).total
    assert build_objective("grouped", {})(outputs, batch).total == expected
    inside = build_objective("grouped", {"positives": "inside"})(outputs, batch).total
    assert inside != expected
    with pytest.raises(ConfigError, match="positives='out' is not valid"):
        build_objective("grouped", {"positives": "out"})


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


def unit(count: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image, text = (
        torch.nn.functional.normalize(torch.randn(count, width, generator=generator), dim=1)
        for _ in range(2)
    )
    return image, text


def test_supcon__takes_pairs_of_one_concept_as_positives_and_none_as_its_own():
    image, text = unit(5, 8)
    scale = torch.tensor(9.0)
    batch = dataclasses.replace(pairs(5), concept_id=torch.tensor([3, -1, 3, 0, -1]))
    outputs = DualOutput(image=image, text=text, logit_scale=scale)
    relation = PairRelation(group=torch.tensor([3, 7, 3, 0, 8]))
    expected = info_nce_loss(image, text, scale, relation).total
    assert build_objective("supcon", {})(outputs, batch).total == expected
    grouped = dataclasses.replace(batch, group_id=torch.tensor([3, 7, 3, 0, 8]))
    assert build_objective("supcon", {"label": "group"})(outputs, grouped).total == expected


def test_keep__leaves_out_negatives_of_related_concepts():
    image, text = unit(6, 8)
    outputs = DualOutput(image=image, text=text, logit_scale=torch.tensor(9.0))
    group = torch.tensor([0, 0, 1, 1, 2, 2])
    batch = dataclasses.replace(pairs(6), group_id=group, concept_id=group)
    alone = build_objective("keep", {})(outputs, batch).total
    related = torch.zeros(3, 3, dtype=torch.bool)
    related[0, 1] = related[1, 0] = True
    with_table = dataclasses.replace(batch, related=pack_related(related))
    actual = build_objective("keep", {})(outputs, with_table).total
    assert actual < alone - 0.01
    # by hand: the cosines of the blocks (0, 1) and (1, 0) do not count
    z = (9.0 * image @ text.T).double()
    keep = (group[:, None] != group) & ~related[group[:, None], group]

    def one_way(z):
        losses = []
        for g in range(3):
            own, others = group == g, keep & (group == g)[:, None]
            positive = torch.logsumexp(-torch.logsumexp(-z[own][:, own], 1), 0)
            losses.append(torch.nn.functional.softplus(torch.logsumexp(z[others], 0) - positive))
        return torch.stack(losses).mean()

    expected = (one_way(z) + one_way(z.T)) / 2
    torch.testing.assert_close(actual.double(), expected, rtol=1e-6, atol=0)


def test_siglip__learns_its_offset():
    objective = build_objective("siglip", {"bias": -3.0, "with_groups": True})
    image, text = unit(4, 8)
    outputs = DualOutput(image=image, text=text, logit_scale=torch.tensor(9.0))
    objective(outputs, pairs(4)).total.backward()
    ((name, bias),) = objective.named_parameters()
    assert (name, bias.item()) == ("bias.value", -3.0)
    assert bias.grad.abs() > 0


def test_kep__says_that_it_needs_the_knowledge_encoder():
    image, text = unit(4, 8)
    outputs = DualOutput(image=image, text=text, logit_scale=torch.tensor(9.0))
    with pytest.raises(ValueError, match="frozen knowledge encoder"):
        build_objective("kep", {})(outputs, pairs(4))


@pytest.mark.parametrize(
    ("name", "options", "phrase"),
    [
        ("keep", {"variant": "lhp-nh"}, "did you mean 'lhp-hn'"),
        ("keep", {"ignored": "removed"}, "did you mean 'remove'"),
        ("supcon", {"label": "class"}, "one of .'group', 'concept'"),
        ("clip-masked", {"label": "groop"}, "did you mean 'group'"),
    ],
)
def test_objectives__name_the_nearest_word(name, options, phrase):
    with pytest.raises(ConfigError, match=phrase):
        build_objective(name, options)

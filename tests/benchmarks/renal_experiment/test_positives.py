"""What positives for identical reports can change at all."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.relations import PairRelation

GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 3, 4])


def gradients(positives: str | None) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = normalize(torch.randn(10, 8, dtype=torch.float64, generator=generator), dim=-1)
    text = normalize(torch.randn(5, 8, dtype=torch.float64, generator=generator), dim=-1)
    leaves = [image, text, torch.tensor(14.0, dtype=torch.float64)]
    for leaf in leaves:
        leaf.requires_grad_()
    pairs = (image, text[GROUP], leaves[2])
    if positives is None:
        loss = info_nce_loss(*pairs).total
    else:
        relation = PairRelation(group=GROUP)
        loss = info_nce_loss(*pairs, relation, positives=positives).total
    loss.backward()
    return [loss.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def test_positives_outside__are_plain_info_nce_where_equal_reports_have_one_embedding() -> None:
    for plain, grouped in zip(gradients(None), gradients("outside"), strict=True):
        torch.testing.assert_close(grouped, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("positives", ["inside", "decoupled"])
def test_positives_inside_and_decoupled__are_not(positives: str) -> None:
    assert (gradients(None)[1] - gradients(positives)[1]).abs().max() > 0.01

import torch

from medvlp.losses.engine.group_statistics import group_statistics
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation

SETTINGS = EngineSettings(row_block=2, column_block=3)
GROUP, GROUP_Y = torch.tensor([1, 0, 2, 1]), torch.tensor([2, 0, 0, 1, 2, 0])


def test_group_statistics__equal_the_log_sum_exp_over_each_other_group():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    leaves = [each.requires_grad_() for each in (x, y, torch.tensor(90.0).double())]
    pairs = join_relation(PairRelation(group=GROUP, group_y=GROUP_Y), [4], [6], x.device)
    table = group_statistics(*leaves, pairs=pairs, settings=SETTINGS, ignored="remove")
    own = GROUP[:, None] == torch.arange(3)
    assert torch.isinf(table[own]).all()
    logits = leaves[2] * x @ y.T
    expected = torch.stack([logits[:, GROUP_Y == g].logsumexp(1) for g in range(3)], dim=1)
    torch.testing.assert_close(table[~own], expected[~own], rtol=1e-13, atol=1e-12)
    weight = torch.randn(4, 3, generator=generator, dtype=torch.float64)[~own]
    have, want = (
        torch.autograd.grad((weight * value[~own]).sum(), leaves) for value in (table, expected)
    )
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)

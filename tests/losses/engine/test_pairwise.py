import torch
from torch.nn.functional import softplus

from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.pairwise import sigmoid_sum
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation, pack_related

SETTINGS = EngineSettings(row_block=2, column_block=3)


def test_sigmoid_sum__equals_the_sum_over_pairs_and_counts_its_weight():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    scale, bias = torch.tensor(2.0).double(), torch.tensor(-0.5).double()
    leaves = [each.requires_grad_() for each in (x, y, scale, bias)]
    concept = torch.tensor([0, 1, 1, -1, 0])
    table = torch.tensor([[False, True], [True, False]])
    group = torch.tensor([0, 0, 1, 2, 1])
    relation = PairRelation(group=group, concept=concept, related=pack_related(table))
    pairs = join_relation(relation, [5], [5], x.device)
    weights = tuple(torch.rand(5, generator=generator, dtype=torch.float64) for _ in range(2))
    total, mass = sigmoid_sum(*leaves, weights=weights, pairs=pairs, settings=SETTINGS)
    own = group[:, None] == group
    known = concept >= 0
    ignored = table[concept.clamp(min=0)][:, concept.clamp(min=0)]
    counts = ~(ignored & known[:, None] & known & ~own)
    weight = (weights[0][:, None] + weights[1]) * counts
    logits = scale * x @ y.T + bias
    expected = (weight * softplus(torch.where(own, -logits, logits))).sum()
    torch.testing.assert_close(total, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(mass, weight.sum(), rtol=1e-14, atol=0)
    have, want = (torch.autograd.grad(value, leaves) for value in (total, expected))
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_sigmoid_sum__keeps_small_costs_in_fp32():
    # Every negative costs softplus(-60), which an fp32 sum would lose beside a positive's cost.
    x = torch.eye(3)
    pairs = join_relation(PairRelation(), [3], [3], x.device)
    weights = (torch.ones(3).double(), torch.zeros(3).double())
    total, _ = sigmoid_sum(
        x,
        x,
        torch.tensor(120.0),
        torch.tensor(-60.0),
        weights=weights,
        pairs=pairs,
        settings=SETTINGS,
    )
    expected = 9 * softplus(torch.tensor(-60.0).double())
    torch.testing.assert_close(total, expected, rtol=1e-6, atol=0)

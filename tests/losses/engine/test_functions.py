import pytest
import torch

from medvlp.losses.engine.functions import pair_statistics
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation, pack_related

TILED = EngineSettings(path="tiled", row_block=3, column_block=2)


def leaves_of(num_rows=5):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(num_rows, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    scale = torch.tensor(1.5, dtype=torch.float64)
    return [each.requires_grad_() for each in (x, y, scale)]


def statistics(leaves, *, settings=TILED, relation=None, **options):
    relation = PairRelation() if relation is None else relation
    pairs = join_relation(relation, [len(leaves[0])], [len(leaves[1])], leaves[0].device)
    return pair_statistics(*leaves, pairs=pairs, settings=settings, **options)


def test_pair_statistics__of_every_kind_pass_gradcheck():
    def weighted(*leaves):
        sides = statistics(leaves, positives=("mean", "largest", "smallest", "each"))
        values = [each for side in sides for each in (side.negatives, *side.positives)]
        return sum((k + 1.3) * value.cos().sum() for k, value in enumerate(values))

    assert torch.autograd.gradcheck(weighted, leaves_of(), fast_mode=True)


def test_pair_statistics__without_columns_give_rows_alone():
    leaves = leaves_of()
    both = statistics(leaves, positives=("mean",))
    (rows,) = statistics(leaves, positives=("mean",), with_columns=False)
    torch.testing.assert_close(rows.negatives, both[0].negatives, rtol=1e-15, atol=0)


def test_pair_statistics__replace_ignored_pairs_by_opposites():
    related = pack_related(torch.tensor([[True]]))
    relation = PairRelation(concept=torch.tensor([-1, 0, 0, -1, 0]), related=related)
    leaves = leaves_of()
    (rows,) = statistics(
        leaves, relation=relation, positives=(), with_columns=False, ignored="replace"
    )
    x, y, scale = leaves
    ignored = (relation.concept[:, None] == 0) & (relation.concept == 0)
    logits = torch.where(ignored, -scale, scale * x @ y.T)
    expected = logits.masked_fill(torch.eye(5) > 0, -torch.inf).logsumexp(1)
    torch.testing.assert_close(rows.negatives, expected, rtol=1e-14, atol=0)
    have, want = (torch.autograd.grad(v.sum(), leaves) for v in (rows.negatives, expected))
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("path", ["dense", "tiled"])
def test_pair_statistics__may_be_differentiated_twice_over_with_a_kept_graph(path):
    leaves = leaves_of()
    settings = EngineSettings(path=path, row_block=3, column_block=2)
    loss = statistics(leaves, settings=settings, positives=("mean",))[0].negatives.sum()
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    second = torch.autograd.grad(loss, leaves)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_pair_statistics__notice_embeddings_changed_in_place():
    x, y, scale = leaves_of()
    changed = x.detach().clone()
    loss = statistics([changed, y, scale], positives=("mean",))[0].negatives.sum()
    changed.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_pair_statistics__is_bitwise_repeatable():
    leaves = [each.detach().float().requires_grad_() for each in leaves_of(40)]
    runs = []
    for _ in range(2):
        sides = statistics(leaves, positives=("largest", "mean"))
        runs.append(
            torch.autograd.grad(sides[0].negatives.sum() + sides[1].positives[0].sum(), leaves)
        )
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))

import torch

from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.engine.sums import SumsChoice, compute_sums, joined_values, new_sides
from medvlp.losses.engine.tiles import LogitTiles, column_operand
from medvlp.losses.relations import PairRelation

GROUP = torch.tensor([3, 0, 3, 1, 0, 2])
CHOICE = SumsChoice(positives=("largest", "each"), with_columns=True, ignored="remove")


def summed():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    pairs = join_relation(PairRelation(group=GROUP), [6], [6], x.device)
    layout = build_layout(pairs)
    tiles = LogitTiles(
        x,
        column_operand(y, layout),
        scale=1.5,
        layout=layout,
        settings=EngineSettings(row_block=2, column_block=5),
    )
    return compute_sums(tiles, pairs, CHOICE), pairs, layout, 1.5 * x @ y.T


def test_compute_sums__gives_statistics_in_the_order_given():
    sides, pairs, layout, logits = summed()
    own = GROUP[:, None] == GROUP
    values = joined_values(sides, pairs, layout)
    assert len(values) == 6
    for part, table in ((values[:3], logits), (values[3:], logits.T)):
        negatives = table.masked_fill(own, -torch.inf).logsumexp(1)
        largest = table.masked_fill(~own, -torch.inf).logsumexp(1)
        costs = torch.nn.functional.softplus(negatives[:, None] - table)
        each = (costs * own).sum(1) / own.sum(1)
        for have, want in zip(part, (negatives, largest, each), strict=True):
            torch.testing.assert_close(have, want, rtol=1e-13, atol=1e-14)


def test_side__restores_what_it_saved():
    sides, pairs, layout, _ = summed()
    for side, fresh in zip(sides, new_sides(pairs, layout, CHOICE), strict=True):
        fresh.restore(side.saved())
        for have, want in zip(fresh.saved(), side.saved(), strict=True):
            assert torch.equal(have, want)
        assert fresh.positives[1].negatives is side.negatives


def test_side__passes_gradient_of_each_positive_on_to_the_negatives():
    sides, *_ = summed()
    grads = [torch.full((6,), value, dtype=torch.float64) for value in (1.0, 10.0, 100.0)]
    expected = 1.0 + 100.0 * sides[0].positives[1].slope
    assert torch.equal(sides[0].direction(grads).grad, expected)

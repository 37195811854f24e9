import pytest
import torch

from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.masks import RowMasks
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.relations import PairRelation, pack_related

NUM_X, NUM_Y, NUM_CONCEPTS = 23, 31, 6


def relation_of(seed, *, same):
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, size):
        return torch.randint(low, high, (size,), generator=generator)

    table = torch.rand(NUM_CONCEPTS, NUM_CONCEPTS, generator=generator) < 0.3
    relation = PairRelation(
        group=draw(0, 9, NUM_X),
        group_y=draw(0, 9, NUM_Y),
        concept=draw(-1, NUM_CONCEPTS, NUM_X),
        concept_y=draw(-1, NUM_CONCEPTS, NUM_Y),
        related=None if same else pack_related(table),
        ignore_same_concept=same,
    )
    return relation, table


def expected_masks(relation, table, layout, *, same):
    """Positives and ignored pairs, one pair at a time, in sorted order."""
    positives = torch.zeros(NUM_X, NUM_Y, dtype=torch.bool)
    ignored = torch.zeros(NUM_X, NUM_Y, dtype=torch.bool)
    for row, i in enumerate(layout.order_x.tolist()):
        for column, j in enumerate(layout.order_y.tolist()):
            a, b = int(relation.concept[i]), int(relation.concept_y[j])
            is_related = (a == b) if same else bool(table[a, b])
            positives[row, column] = relation.group[i] == relation.group_y[j]
            ignored[row, column] = a >= 0 and b >= 0 and is_related and not positives[row, column]
    return positives, ignored


@pytest.mark.parametrize("same", [False, True], ids=["table", "same"])
@pytest.mark.parametrize("seed", [0, 1])
def test_row_masks__equal_a_look_at_every_pair(seed, same):
    relation, table = relation_of(seed, same=same)
    pairs = join_relation(relation, [NUM_X], [NUM_Y], torch.device("cpu"))
    layout = build_layout(pairs)
    positives, ignored = expected_masks(relation, table, layout, same=same)
    bounds_x, bounds_y = layout.bounds(5, 7)
    for i, bound_x in enumerate(bounds_x):
        rows = slice(5 * i, min(5 * i + 5, NUM_X))
        masks = RowMasks(layout, rows, bound_x)
        for j, bound_y in enumerate(bounds_y):
            columns = slice(7 * j, min(7 * j + 7, NUM_Y))
            found = masks.positives(columns, bound_y)
            tile = torch.zeros_like(positives[rows, columns])
            if found is not None:
                tile.view(-1)[found.places] = True
                assert positives[found.rows, found.columns].all()
                assert len(set(found.places.tolist())) == found.places.numel() > 0
            assert torch.equal(tile, positives[rows, columns])
            related = masks.related(columns, bound_y)
            if related is None:
                assert not ignored[rows, columns].any()
                continue
            assert torch.equal(related.ignored(found), ignored[rows, columns])
            logits = torch.zeros(tile.shape)
            related.leave_out(logits, torch.empty_like(logits))
            assert torch.equal(torch.isinf(logits) & ~tile, ignored[rows, columns])


def test_row_masks__look_at_no_pair_where_nothing_is_ignored():
    pairs = join_relation(PairRelation(), [4], [4], torch.device("cpu"))
    layout = build_layout(pairs)
    bounds_x, bounds_y = layout.bounds(2, 2)
    masks = RowMasks(layout, slice(0, 2), bounds_x[0])
    assert masks.related(slice(0, 2), bounds_y[0]) is None
    assert masks.positives(slice(2, 4), bounds_y[1]) is None
    assert masks.positives(slice(0, 2), bounds_y[0]).places.tolist() == [0, 3]

import torch

from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.engine.tiles import LogitTiles, column_operand
from medvlp.losses.relations import PairRelation

SETTINGS = EngineSettings(row_block=3, column_block=4)


def make_tiles(kept=None, group=None, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(7, 5, generator=generator).to(dtype) for _ in range(2))
    pairs = join_relation(PairRelation(group=group), [7], [7], x.device)
    layout = build_layout(pairs)
    operand = column_operand(y, layout)
    tiles = LogitTiles(x, operand, scale=2.0, bias=0.5, layout=layout, settings=SETTINGS, kept=kept)
    return tiles, x, y


def assembled(tiles):
    table = torch.full((7, 7), torch.nan, dtype=tiles.dtype)
    for tile in tiles.tiles():
        table[tile.rows, tile.columns] = tile.logits
        tile.logits.zero_()  # free to overwrite, kept or not
    return table


def test_logit_tiles__cover_every_pair_once_in_a_fixed_order():
    tiles, x, y = make_tiles()
    visited = [(tile.rows.start, tile.columns.start) for tile in tiles.tiles()]
    assert visited == [(0, 0), (0, 4), (3, 0), (3, 4), (6, 0), (6, 4)]
    torch.testing.assert_close(assembled(tiles), 2 * x @ y.T + 0.5, rtol=1e-14, atol=1e-14)


def test_logit_tiles__visit_sorted_rows_and_columns():
    group = torch.tensor([2, 1, 0, 2, 1, 0, 0])
    tiles, x, y = make_tiles(group=group)
    order = torch.argsort(group, stable=True)
    expected = 2 * x[order] @ y[order].T + 0.5
    torch.testing.assert_close(assembled(tiles), expected, rtol=1e-14, atol=1e-14)


def test_logit_tiles__keep_logits_for_the_next_round_where_asked():
    kept = []
    tiles, *_ = make_tiles(kept)
    first = assembled(tiles)
    assert sum(part.numel() for part in kept) == 49
    assert torch.equal(assembled(tiles), first)
    assert len(kept) == 6


def test_logit_tiles__are_fp32_for_bf16_embeddings():
    tiles, x, y = make_tiles(dtype=torch.bfloat16)
    actual = assembled(tiles)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, 2 * x.float() @ y.float().T + 0.5, rtol=1e-6, atol=1e-6)


def test_logit_tiles__visit_only_tiles_with_positives_where_asked():
    tiles, *_ = make_tiles()
    visited = [(tile.rows.start, tile.columns.start) for tile in tiles.tiles(positives_only=True)]
    assert visited == [(0, 0), (3, 0), (3, 4), (6, 4)]


def test_tile__gives_the_logits_of_its_positives():
    tiles, x, y = make_tiles()
    found = torch.cat([tile.positive_logits() for tile in tiles.tiles()])
    expected = (2 * x * y).sum(1) + 0.5
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)


def test_logit_tiles__are_flat_where_groups_are_large(monkeypatch):
    monkeypatch.setattr("medvlp.losses.engine.tiles.MOST_POSITIVES", 8)
    tiles, *_ = make_tiles(group=torch.zeros(7, dtype=torch.int64))
    sizes = {tile.positives.places.numel() for tile in tiles.tiles()}
    assert max(sizes) <= 8
    tiles, *_ = make_tiles()
    assert next(iter(tiles.tiles())).logits.shape == (3, 4)

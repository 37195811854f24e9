import numpy as np
import pytest

from medvlp.reporting.contact_sheet import TileGroup, draw_contact_sheet, top_tile_indices


def plain(colour, side: int = 32) -> np.ndarray:
    return np.full((side, side, 3), colour, dtype=np.uint8)


def test_top_tile_indices__are_the_highest_of_each_class() -> None:
    scores = np.array([[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])
    assert top_tile_indices(scores, 2).tolist() == [[1, 2], [0, 2]]


def test_top_tile_indices__keep_the_order_of_equal_tiles() -> None:
    scores = np.full((200, 1), 0.5)
    scores[120] = 0.9
    assert top_tile_indices(scores, 50).tolist() == [[120, *range(49)]]
    assert top_tile_indices(scores[:3], 50).shape == (1, 3)


def test_top_tile_indices__refuse_what_cannot_be_ordered() -> None:
    with pytest.raises(ValueError, match="finite"):
        top_tile_indices(np.array([[np.nan]]), 1)
    with pytest.raises(ValueError, match=r"\(N, C\) matrix, got shape \(3,\)"):
        top_tile_indices(np.zeros(3), 1)


def test_draw_contact_sheet__places_tiles_by_line_and_rank() -> None:
    groups = [
        TileGroup(label="A", tiles_rgb=[plain((200, 0, 0)), plain((0, 200, 0))], scores=[0.9, 0.8]),
        TileGroup(label="B", tiles_rgb=[plain((0, 0, 200))], scores=[0.7]),
    ]
    sheet = draw_contact_sheet(groups, tile_side_px=50, tile_um=128.0)
    assert sheet.dtype == np.uint8
    centres = {}
    for name, colour in (("red", (200, 0, 0)), ("green", (0, 200, 0)), ("blue", (0, 0, 200))):
        rows, cols = np.nonzero((sheet == colour).all(axis=2))
        assert len(rows) == 50 * 50
        centres[name] = (rows.mean(), cols.mean())
    assert centres["red"][0] == centres["green"][0] < centres["blue"][0]
    assert centres["red"][1] == centres["blue"][1] < centres["green"][1]


def test_draw_contact_sheet__leaves_out_classes_without_tiles() -> None:
    full = TileGroup(label="A", tiles_rgb=[plain((1, 2, 3))], scores=[1.0])
    empty = TileGroup(label="B", tiles_rgb=[], scores=[])
    alone, both = draw_contact_sheet([full]), draw_contact_sheet([full, empty])
    np.testing.assert_array_equal(alone, both)


def test_draw_contact_sheet__needs_a_tile() -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        draw_contact_sheet([])
    with pytest.raises(ValueError, match="1 tiles but 2 scores"):
        TileGroup(label="A", tiles_rgb=[plain(0)], scores=[1.0, 0.5])

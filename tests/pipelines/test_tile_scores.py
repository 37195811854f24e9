"""The table of tile scores: written, read back, refused where damaged."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import OutputError
from medvlp.pipelines.tile_scores import TileScoreTable, read_tile_scores, write_tile_scores


def table() -> TileScoreTable:
    return TileScoreTable(
        class_names=("A", "b c"),
        coords_px0=np.asarray([[0, 5], [2**33, 7]]),
        probabilities=np.asarray([[0.25, 0.75], [1.0, 0.0]], np.float32),
        tile_px0=(256, 257),
        step_px0=(128, 300),
        size_px0=(2**34, 1000),
    )


def test_read_tile_scores__reads_what_was_written(tmp_path: Path) -> None:
    expected = table()
    write_tile_scores(tmp_path / "t.parquet", expected)
    actual = read_tile_scores(tmp_path / "t.parquet")
    assert actual.class_names == expected.class_names
    assert (actual.coords_px0 == expected.coords_px0).all()
    assert (actual.probabilities == expected.probabilities).all()
    assert (actual.tile_px0, actual.size_px0) == (expected.tile_px0, expected.size_px0)
    assert actual.step_px0 == expected.step_px0
    assert actual.cell_px0 == (128, 257)


def test_write_tile_scores__gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tile_scores(tmp_path / name, table())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_read_tile_scores__refuses_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"PAR1 nothing")
    for name in ("bad", "missing"):
        with pytest.raises(OutputError, match="MV1111: the tile scores"):
            read_tile_scores(tmp_path / name)

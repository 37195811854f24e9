"""The scores of the tiles of one slide as a table: ``tiles.parquet`` in the folder of a case.

One row per tile: ``x_px0``, ``y_px0`` (top left corner, level-0 pixels) and ``prob_<class>``. The
sizes that all rows share are in the metadata of the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.config.runs import PROBABILITY_PREFIX
from medvlp.errors import OutputError
from medvlp.io import publish_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TILE_SCORES_FILE", "TileScoreTable", "read_tile_scores", "write_tile_scores"]

TILE_SCORES_FILE = "tiles.parquet"
_METADATA_KEY = b"medvlp"
_SIZES = ("tile_px0", "step_px0", "size_px0")


@dataclass(frozen=True, kw_only=True)
class TileScoreTable:
    """Scores of the tiles of one slide.

    Attributes:
        class_names: Classes in order.
        coords_px0: Top left corners, shape ``(N, 2)``, (x, y), level-0 pixels, int64.
        probabilities: Probability of each class per tile, shape ``(N, C)``, float32.
        tile_px0: (width, height) of a tile in level-0 pixels.
        step_px0: (x, y) from one tile to the next in level-0 pixels.
        size_px0: (width, height) of the slide in level-0 pixels.
    """

    class_names: tuple[str, ...]
    coords_px0: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    tile_px0: tuple[int, int]
    step_px0: tuple[int, int]
    size_px0: tuple[int, int]

    @property
    def cell_px0(self) -> tuple[int, int]:
        """(width, height) of what a row tells of, in level-0 pixels.

        It is the step where tiles overlap: there the
        probabilities are means over the tiles that cover the cell.
        """
        width, height = (min(pair) for pair in zip(self.tile_px0, self.step_px0, strict=True))
        return width, height


def write_tile_scores(path: Path, table: TileScoreTable) -> None:
    """Publish the table of one slide.

    Args:
        path: The file.
        table: What to write.

    Raises:
        OutputError: If the file cannot be written.
    """
    columns = {"x_px0": table.coords_px0[:, 0], "y_px0": table.coords_px0[:, 1]}
    arrays = [pa.array(values.astype(np.int64)) for values in columns.values()]
    arrays += [pa.array(values.astype(np.float32)) for values in table.probabilities.T]
    names = [*columns, *(PROBABILITY_PREFIX + name for name in table.class_names)]
    sizes = {name: list(getattr(table, name)) for name in _SIZES}
    made = pa.table(arrays, names=names)
    made = made.replace_schema_metadata({_METADATA_KEY: json.dumps(sizes).encode()})
    with publish_file(path) as partial:
        pq.write_table(made, partial)


def read_tile_scores(path: Path) -> TileScoreTable:
    """Read the table of one slide.

    Args:
        path: A file that :func:`write_tile_scores` wrote.

    Raises:
        OutputError: MV1111 if there is no such file or it is damaged.
    """
    try:
        table = pq.read_table(path)
        sizes = json.loads((table.schema.metadata or {})[_METADATA_KEY])
        columns = [name for name in table.column_names if name.startswith(PROBABILITY_PREFIX)]
        tile, step, size = ((int(x), int(y)) for x, y in (sizes[name] for name in _SIZES))
        return TileScoreTable(
            class_names=tuple(name.removeprefix(PROBABILITY_PREFIX) for name in columns),
            coords_px0=np.stack([table[name].to_numpy() for name in ("x_px0", "y_px0")], axis=1),
            probabilities=np.stack([table[name].to_numpy() for name in columns], axis=1),
            tile_px0=tile,
            step_px0=step,
            size_px0=size,
        )
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise OutputError(
            "MV1111",
            f"the tile scores {path} are missing or damaged ({type(error).__name__})",
            expected="tiles.parquet in the folder of the case, as 'medvlp zero-shot' writes it",
            hint="delete the folder of the case and run 'medvlp zero-shot' again",
        ) from error

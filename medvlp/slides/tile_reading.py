"""Read planned tiles in batches with a few threads; meant to run in a worker process.

Nothing here imports more than numpy, PIL and the decoder, so that a worker starts in a moment.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import SlideError
from medvlp.pixels import prepare_image, resize_rgb
from medvlp.slides.reader import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.slides.protocol import SlideReader
    from medvlp.slides.tiling import TilePlan
    from medvlp.types import ImagePreprocessing

__all__ = ["RESAMPLER", "STATUS_OK", "STATUS_UNDECODABLE", "TileBatch", "read_tiles"]

STATUS_OK = 0
STATUS_UNDECODABLE = 1
RESAMPLER = "PIL bicubic"
"""Name of the filter that brings a read region to the target size, as feature files record it."""

_MAX_THREADS = 8
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class TileBatch:
    """A run of consecutive tiles of a plan.

    Attributes:
        index: Positions in the plan, shape ``(b,)``, int64.
        status: 0 read, 1 undecodable, shape ``(b,)``, uint8.
        rgb: Pixels of the tiles with status 0, in order, shape ``(g, H, W, 3)``, uint8.
    """

    index: NDArray[np.int64]
    status: NDArray[np.uint8]
    rgb: NDArray[np.uint8]


def read_tiles(
    path: Path,
    slide_mpp: float | None,
    plan: TilePlan,
    preprocessing: ImagePreprocessing | None,
    batch_size: int,
    *,
    threads: int | None = None,
) -> Iterator[TileBatch]:
    """Read the tiles of a plan in order.

    A tile is OpenSlide's ``read_region`` at its level-0 corner, over white, resized by PIL's
    bicubic filter to ``tile_px`` and then prepared as the encoder wants it. A tile that does not
    decode is listed with status 1 and has no pixels; the others go on.

    Args:
        path: Main file of the slide.
        slide_mpp: Micrometres per level-0 pixel that the plan was made with, if stated by the user.
        plan: The tiles.
        preprocessing: Resize and crop of the encoder; None leaves tiles at ``tile_px``.
        batch_size: Tiles per batch; the last batch may be smaller.
        threads: Threads that decode; by default one per available processor, at most 8.

    Yields:
        Batches in the order of the plan; none for an empty plan.

    Raises:
        ValueError: If ``batch_size`` is below 1.
        SlideError: MV1201, MV1202 or MV1208 if the slide cannot be opened, MV1207 if the file was
            removed or changed while it was read.
    """
    if batch_size < 1:
        msg = f"batch_size must be at least 1, got {batch_size}"
        raise ValueError(msg)
    stamp = _file_stamp(path)
    workers = threads or min(_MAX_THREADS, _available_processors())
    with open_slide(path, slide_mpp=slide_mpp) as reader:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="tiles")
        try:
            read = partial(_read_tile, reader, plan, preprocessing)
            waiting: deque[Future[NDArray[np.uint8] | None]] = deque()
            ahead = _BATCHES_AHEAD * batch_size
            for start in range(0, plan.num_tiles, batch_size):
                stop = min(start + batch_size, plan.num_tiles)
                submitted = start + len(waiting)
                for index in range(submitted, min(start + ahead, plan.num_tiles)):
                    waiting.append(pool.submit(read, index))
                tiles = [waiting.popleft().result() for _ in range(start, stop)]
                if stop == plan.num_tiles or any(tile is None for tile in tiles):
                    _check_unchanged(path, stamp)
                yield _batch(start, tiles, plan, preprocessing)
        finally:
            # Before the slide is closed: a read on a closed slide would crash the process.
            pool.shutdown(wait=True, cancel_futures=True)


def _read_tile(
    reader: SlideReader, plan: TilePlan, preprocessing: ImagePreprocessing | None, index: int
) -> NDArray[np.uint8] | None:
    """Return one prepared tile, or None where it does not decode."""
    x, y = plan.coords[index].tolist()
    read, tile_px = plan.spec.read, plan.spec.target.tile_px
    try:
        rgb = reader.read_rgb((x, y), read.level, read.size_px)
    except SlideError as error:
        if error.code == "MV1206":
            return None
        raise SlideError(
            "MV1207",
            f"{reader.path.name} was removed or changed while its tiles were read: {error.reason}",
            hint="keep slides in place while they are read, then run again",
        ) from error
    tile = resize_rgb(rgb, (tile_px, tile_px), "bicubic")
    return tile if preprocessing is None else prepare_image(tile, preprocessing)


def _batch(
    start: int,
    tiles: list[NDArray[np.uint8] | None],
    plan: TilePlan,
    preprocessing: ImagePreprocessing | None,
) -> TileBatch:
    side = plan.spec.target.tile_px if preprocessing is None else preprocessing.input_px
    good = [tile for tile in tiles if tile is not None]
    return TileBatch(
        index=np.arange(start, start + len(tiles), dtype=np.int64),
        status=np.array(
            [STATUS_UNDECODABLE if tile is None else STATUS_OK for tile in tiles], np.uint8
        ),
        rgb=np.stack(good) if good else np.zeros((0, side, side, 3), np.uint8),
    )


def _available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _file_stamp(path: Path) -> tuple[int, int] | None:
    """Return size in bytes and time of change, or None where the file is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _check_unchanged(path: Path, before: tuple[int, int] | None) -> None:
    """Refuse pixels of a file that is not the one that was opened."""
    now = _file_stamp(path)
    if now != before:
        what = "was removed" if now is None else "was changed"
        raise SlideError(
            "MV1207",
            f"{path.name} {what} while its tiles were read",
            hint="keep slides in place while they are read, then run again",
        )

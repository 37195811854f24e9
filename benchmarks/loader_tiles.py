"""Phantom tiles for the benchmark of loaders: a folder of pairs, and the same files one by one."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.pairs import PairRecord, read_pairs, write_pairs
from medvlp.io import publish_folder
from medvlp.phantoms.captions import caption_class
from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.stains import draw_staining
from medvlp.phantoms.textures import paint_texture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FILES", "PAIRS", "make_tiles"]

PAIRS, FILES = "pairs", "files"
_TISSUES = tuple(item.key for item in CLASSES if item.key != "glass")
_TILE_PX, _TEXTURE_PX, _MPP, _PER_TEXTURE = 256, 1024, 0.5, 200


def make_tiles(out: Path, count: int) -> None:
    """Write tiles to ``out/pairs`` and ``out/files``, where they are not there yet.

    Args:
        out: Where to.
        count: Number of tiles.
    """
    if not (out / PAIRS).exists():
        write_pairs(out / PAIRS, _records(count), modality="slide", mpp=_MPP, tile_px=_TILE_PX)
    found = sum(len(rows) for rows in read_pairs(out / PAIRS).splits.values())
    if found != count:
        msg = f"{out} holds {found} tiles, not {count}; choose another folder"
        raise SystemExit(msg)
    if (out / FILES).exists():
        return
    with publish_folder(out / FILES) as partial:
        (partial / "tiles").mkdir()
        for shard in sorted((out / PAIRS).glob("*.tar")):
            with tarfile.open(shard) as tar:
                tar.extractall(partial / "tiles", filter="data")


def _records(count: int) -> Iterator[PairRecord]:
    number = 0
    for slide in range(-(-count // (_PER_TEXTURE * len(_TISSUES)))):
        rng = np.random.default_rng((0, slide))
        staining = draw_staining(rng)
        for group, key in enumerate(_TISSUES):
            field = paint_texture(rng, key, _TEXTURE_PX, _MPP, staining)
            wrapped = np.pad(field, ((0, _TILE_PX), (0, _TILE_PX), (0, 0)), mode="wrap")
            for top, left in rng.integers(_TEXTURE_PX, size=(_PER_TEXTURE, 2)).tolist():
                if number == count:
                    return
                yield PairRecord(
                    sample_id=f"tile_{number:06d}",
                    image=np.ascontiguousarray(
                        wrapped[top : top + _TILE_PX, left : left + _TILE_PX]
                    ),
                    captions=(caption_class(rng, key),),
                    group_id=slide * len(_TISSUES) + group,
                    source="phantom",
                    licence="CC0-1.0",
                )
                number += 1

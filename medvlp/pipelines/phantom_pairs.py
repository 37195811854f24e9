"""Phantom slides to tile-caption pairs, through the same reading path that real slides take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.jobs.workers import WorkerLimits, run_in_worker, stream_in_worker
from medvlp.phantoms.captions import caption_tiles, dominant_classes
from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.ontology import concept_of
from medvlp.phantoms.truth import load_truth
from medvlp.slides.survey import survey_slide
from medvlp.slides.tile_reading import STATUS_OK, read_tiles
from medvlp.slides.tissue import TissueConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from medvlp.slides.tiling import TilingConfig

__all__ = ["write_phantom_pairs"]

_LICENCE = "CC0-1.0"
_BATCH = 64


def write_phantom_pairs(
    slides: Sequence[Path],
    folder: Path,
    tiling: TilingConfig,
    *,
    seed: int,
    captions_per_tile: int = 3,
    split: str = "train",
) -> int:
    """Tile phantom slides and caption each tile from the slides' truth.

    Tiles that no tissue class dominates have no caption and are left out. Tiles of one tissue of
    one slide are a semantic group: nearly the same picture, whose captions may be exchanged. The
    concept of a pair is its tissue in the phantoms' ontology.

    Args:
        slides: Phantom slides with their truth beside them.
        folder: The new folder of pairs.
        tiling: Scale and size of the tiles.
        seed: Seed of the captions' wording.
        captions_per_tile: Different captions for the same tile; training draws one at a time.
        split: Split that the pairs belong to.

    Returns:
        Number of pairs.
    """
    return write_pairs(
        folder,
        _records(slides, tiling, seed, captions_per_tile, split),
        modality="slide",
        mpp=tiling.mpp,
        tile_px=tiling.tile_px,
    )


def _records(
    slides: Sequence[Path], tiling: TilingConfig, seed: int, captions_per_tile: int, split: str
) -> Iterator[PairRecord]:
    limits = WorkerLimits()
    for number, path in enumerate(slides):
        truth = load_truth(path)
        plan = run_in_worker(
            survey_slide, path, (), None, tiling, TissueConfig(), limits=limits
        ).plan
        side_px0 = float(np.mean(plan.spec.level0.tile_px0))
        captions = [
            caption_tiles(truth, plan.coords, side_px0, seed + extra)
            for extra in range(captions_per_tile)
        ]
        codes, _ = dominant_classes(truth, plan.coords, side_px0)
        batches = stream_in_worker(read_tiles, path, None, plan, None, _BATCH, limits=limits)
        for batch in batches:
            good = batch.index[batch.status == STATUS_OK].tolist()
            for index, rgb in zip(good, batch.rgb, strict=True):
                texts = tuple(dict.fromkeys(text for c in captions if (text := c[index])))
                if not texts:
                    continue
                code = int(codes[index])
                yield PairRecord(
                    sample_id=f"slide{number:03d}_tile{index:05d}",
                    image=rgb,
                    captions=texts,
                    group_id=number * len(CLASSES) + code,
                    concept_ids=(concept_of(CLASSES[code].key),),
                    split=split,
                    source=path.name,
                    licence=_LICENCE,
                )

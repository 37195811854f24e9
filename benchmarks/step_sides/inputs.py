"""Pairs that both sides train on: phantom tiles and captions that fill the text tower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.step_sides.sizes import IMAGE_PX, NUM_TOKENS, VOCABULARY
from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.phantoms.captions import caption_class
from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.stains import draw_staining
from medvlp.phantoms.textures import paint_texture
from medvlp.text.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ARRAYS", "PAIRS", "TOKENIZER", "write_inputs"]

PAIRS, TOKENIZER, ARRAYS = "pairs", "vocab.txt", "arrays.npz"


def write_inputs(folder: Path, num_pairs: int) -> None:
    """Write the pairs as our loader reads them, and as arrays for the peer.

    Every caption is longer than the text tower takes, so that both sides see as many tokens.

    Args:
        folder: Where to.
        num_pairs: How many.
    """
    rng = np.random.default_rng(0)
    kinds = [CLASSES[1 + index % (len(CLASSES) - 1)].key for index in range(num_pairs)]
    paintings = {
        key: paint_texture(rng, key, 2 * IMAGE_PX, 0.5, draw_staining(rng))
        for key in dict.fromkeys(kinds)
    }
    images, captions = [], []
    for key in kinds:
        row, column = rng.integers(IMAGE_PX, size=2)
        images.append(paintings[key][row : row + IMAGE_PX, column : column + IMAGE_PX].copy())
        sentences = [caption_class(rng, key) for _ in range(12)]
        captions.append(" ".join(sentences))
    records = [
        PairRecord(sample_id=f"tile_{index:04d}", image=image, captions=(caption,), group_id=index)
        for index, (image, caption) in enumerate(zip(images, captions, strict=True))
    ]
    write_pairs(
        folder / PAIRS, records, modality="slide", mpp=0.5, tile_px=IMAGE_PX, encoding="png"
    )
    trained = train_tokenizer(captions, 2000)
    pieces = sorted(trained.vocabulary, key=trained.vocabulary.__getitem__)
    pieces += [f"[unused{index}]" for index in range(VOCABULARY - len(pieces))]
    (folder / TOKENIZER).write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokens = trained.encode(captions, NUM_TOKENS)
    if not tokens.mask.all():
        raise RuntimeError("a caption is shorter than the text tower takes")
    np.savez(folder / ARRAYS, images=np.stack(images), ids=tokens.ids)

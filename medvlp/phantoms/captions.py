"""Caption the tiles of a phantom slide from its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.classes import CLASSES, find_class
from medvlp.phantoms.vocabulary import (
    ARTEFACT_SENTENCES,
    CAPTION_TEMPLATES,
    PROMPT_TEMPLATES,
    TRAITS,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.truth import PhantomSlideTruth

__all__ = ["caption_class", "caption_tiles", "class_shares", "dominant_classes"]

_SECOND_SHARE = 0.12


def class_shares(
    truth: PhantomSlideTruth, coords_px0: NDArray[np.int64], tile_px0: float
) -> NDArray[np.float32]:
    """Measure how much of each tile each class covers.

    Args:
        truth: Truth of the slide.
        coords_px0: Top left corners ``(N, 2)`` as (x, y) in level-0 pixels.
        tile_px0: Side of a tile in level-0 pixels.

    Returns:
        Shares ``(N, C)`` float32, C classes in the order of their codes; rows sum to 1. What lies
        beyond the slide does not count.
    """
    shares = np.empty((len(coords_px0), len(CLASSES)), dtype=np.float32)
    for index, box in enumerate(_map_boxes(truth, coords_px0, tile_px0)):
        count = np.bincount(truth.labels[box].ravel(), minlength=len(CLASSES))
        shares[index] = count / count.sum()
    return shares


def dominant_classes(
    truth: PhantomSlideTruth, coords_px0: NDArray[np.int64], tile_px0: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the class that covers most of each tile, and its share of the tile.

    Args:
        truth: Truth of the slide.
        coords_px0: Top left corners ``(N, 2)`` as (x, y) in level-0 pixels.
        tile_px0: Side of a tile in level-0 pixels.

    Returns:
        Class codes ``(N,)`` int64 and shares ``(N,)`` float32.
    """
    shares = class_shares(truth, coords_px0, tile_px0)
    return shares.argmax(axis=1), shares.max(axis=1)


def caption_tiles(
    truth: PhantomSlideTruth,
    coords_px0: NDArray[np.int64],
    tile_px0: float,
    seed: int,
    *,
    min_share: float = 0.75,
) -> list[str | None]:
    """Write a caption for each tile that one class dominates.

    A caption names the class, some of its traits, now and then a second class that covers part of
    the tile, and an artefact that covers most of it.

    Args:
        truth: Truth of the slide.
        coords_px0: Top left corners ``(N, 2)`` as (x, y) in level-0 pixels.
        tile_px0: Side of a tile in level-0 pixels.
        seed: Seed of the choice of words. A tile's caption depends on it, the slide's seed and the
            tile's position only.
        min_share: Share of the tile that the class must cover.

    Returns:
        One caption per tile, None where no class covers enough of it.
    """
    shares = class_shares(truth, coords_px0, tile_px0)
    boxes = _map_boxes(truth, coords_px0, tile_px0)
    corners = np.asarray(coords_px0).tolist()
    captions: list[str | None] = []
    for (x, y), share, box in zip(corners, shares, boxes, strict=True):
        if share.max() < min_share:
            captions.append(None)
            continue
        rng = np.random.default_rng((abs(seed), truth.seed, abs(int(x)), abs(int(y))))
        first, second = np.argsort(-share, kind="stable")[:2].tolist()
        sentences = [caption_class(rng, CLASSES[first].key)]
        if share[second] > _SECOND_SHARE and rng.random() < 0.5:
            sentences.append(f"Some {CLASSES[second].names[0]} lies beside it.")
        sentences += [
            sentence
            for bit, sentence in ARTEFACT_SENTENCES.items()
            if np.mean((truth.artefacts[box] & bit) > 0) > 0.5
        ]
        captions.append(" ".join(sentences))
    return captions


def caption_class(rng: np.random.Generator, key: str) -> str:
    """Write one sentence about a tissue.

    Args:
        rng: Source of the choice of words.
        key: ``TissueClass.key``.
    """
    names, groups = find_class(key).names, TRAITS[key]
    name = names[rng.integers(len(names))]
    first, second = (
        groups[group][rng.integers(len(groups[group]))] for group in rng.permutation(3)[:2].tolist()
    )
    template = (*PROMPT_TEMPLATES, *CAPTION_TEMPLATES)[
        rng.integers(len(PROMPT_TEMPLATES) + len(CAPTION_TEMPLATES))
    ]
    sentence = template.format(name, name=name, first=first, second=second)
    return sentence[0].upper() + sentence[1:]


def _map_boxes(
    truth: PhantomSlideTruth, coords_px0: NDArray[np.int64], tile_px0: float
) -> list[tuple[slice, slice]]:
    """Return each tile's part of the maps, at least one map pixel."""
    rows, cols = truth.labels.shape
    step = truth.px0_per_px
    return [
        (_span(y / step, tile_px0 / step, rows), _span(x / step, tile_px0 / step, cols))
        for x, y in np.asarray(coords_px0).tolist()
    ]


def _span(start: float, length: float, limit: int) -> slice:
    first = min(max(round(start), 0), limit - 1)
    return slice(first, min(max(round(start + length), first + 1), limit))

"""What a trained network says of the test pictures: arrays that figures are computed of.

Letters: N pictures, C findings, S side of a picture, h w grid of patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.radiograph_pairs import open_images, read_radiograph_pairs
from medvlp.knowledge.facets import load_finding_book
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.radiograph_manifest import FindingPlace

    Arrays = dict[str, NDArray[np.generic]]

__all__ = ["ABSENT", "judge_bundle", "pointing_hits"]

ABSENT = -1
_AT_A_TIME = 50


def judge_bundle(bundle: Path, book: Path, pictures: Path) -> Arrays:
    """Ask a network for all findings of the test pictures, as ``medvlp zero-shot`` would.

    Args:
        bundle: The network.
        book: What is told of the findings.
        pictures: The folder to judge on.

    Returns:
        ``labels`` ``(N, C)``, ``scores`` ``(N, C)``, ``hits`` ``(N, C)``: whether attention is
        largest within a box of the finding, -1 where it is absent.
    """
    model = load_radiograph_bundle(bundle)
    known = load_finding_book(book)
    findings = tuple(PHANTOM_FINDINGS)
    queries = model.queries([facets for facets in known if facets.name in findings])
    if queries.names != findings:
        message = f"the book has {queries.names}"
        raise ValueError(message)
    manifest = read_radiograph_pairs(pictures)
    store, rows = open_images(manifest), manifest.rows("test")
    full, size = np.float32(2**manifest.info.bits - 1), manifest.info.size_px
    scores, hits = [], []
    for start in range(0, len(rows), _AT_A_TIME):
        part = rows[start : start + _AT_A_TIME]
        stack = np.stack([store.read(row.image, row.image_crc32) for row in part])
        answer = model.judge(stack.astype(np.float32) / full, queries)
        scores.append(answer.probabilities)
        if answer.attention is None:
            message = "the network shows no attention"
            raise ValueError(message)
        hits.extend(
            pointing_hits(maps, row.places, findings, size)
            for maps, row in zip(answer.attention, part, strict=True)
        )
    labels = np.array([[row.labels[name] for name in findings] for row in rows], np.int64)
    return {"labels": labels, "scores": np.concatenate(scores), "hits": np.stack(hits)}


def pointing_hits(
    maps: NDArray[np.float32],
    places: Sequence[FindingPlace],
    findings: Sequence[str],
    size_px: int,
) -> NDArray[np.int64]:
    """Say of each finding whether the middle of its strongest patch lies in one of its boxes.

    Args:
        maps: Attention over the grid, shape ``(C, h, w)``.
        places: Where findings are in the square.
        findings: Names of the C findings.
        size_px: Side of the square in pixels.

    Returns:
        1 hit, 0 missed, -1 absent, shape ``(C,)``.
    """
    height, width = maps.shape[1:]
    found = np.full(len(findings), ABSENT, np.int64)
    for place in places:
        number = findings.index(place.finding)
        row, col = divmod(int(maps[number].argmax()), width)
        middle = ((row + 0.5) * size_px / height, (col + 0.5) * size_px / width)
        row0, row1, col0, col1 = place.box
        is_hit = row0 <= middle[0] <= row1 and col0 <= middle[1] <= col1
        found[number] = max(found[number], int(is_hit))
    return found

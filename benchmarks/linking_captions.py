"""Score linking on captions annotated by hand (``benchmarks/annotations``)."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Pairs = frozenset[tuple[str, str]]

Half = Literal["development", "test"]
ANNOTATIONS = Path(__file__).parent / "annotations" / "roco_diseases.csv"
CAPTION_FILES = ("roco_radiology.jsonl", "roco_pathology_like.jsonl")


@dataclass
class Score:
    """Counts of pairs of term and status, and where they went wrong.

    Attributes:
        num_captions: Captions read.
        right: Pairs that were annotated and found.
        wrong: Pairs found but not annotated, as (caption id, term, status).
        missed: Pairs annotated but not found, likewise.
    """

    num_captions: int = 0
    right: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    missed: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Share of the found pairs that are right; 1 where nothing was found."""
        found = self.right + len(self.wrong)
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the annotated pairs that were found; 1 where nothing was annotated."""
        annotated = self.right + len(self.missed)
        return self.right / annotated if annotated else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def half_of(caption_id: str) -> Half:
    """Return the half of a caption, by hash."""
    digest = hashlib.sha256(f"linking-half:{caption_id}".encode()).digest()
    return "test" if digest[-1] & 1 else "development"


def read_annotations(path: Path = ANNOTATIONS) -> dict[str, Pairs]:
    """Return caption id -> annotated pairs of term and status; empty for a caption without."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pairs = found[row["caption_id"]]
            if row["doid"]:
                pairs.add((row["doid"], row["status"]))
    return {caption_id: frozenset(pairs) for caption_id, pairs in found.items()}


def read_captions(folder: Path) -> dict[str, str]:
    """Return caption id -> caption of the files of a ROCO folder."""
    captions = {}
    for name in CAPTION_FILES:
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            captions[row["id"]] = row["caption"]
    return captions


def score_captions(
    find: Callable[[str], Iterable[tuple[str, str]]],
    captions: dict[str, str],
    annotations: dict[str, Pairs],
) -> dict[Half, Score]:
    """Compare what a linker finds with the annotations, for each half.

    Args:
        find: Caption -> pairs of term and status.
        captions: Caption id -> caption.
        annotations: Caption id -> annotated pairs.
    """
    scores: dict[Half, Score] = {"development": Score(), "test": Score()}
    for caption_id in sorted(annotations):
        score = scores[half_of(caption_id)]
        found, expected = set(find(captions[caption_id])), annotations[caption_id]
        score.num_captions += 1
        score.right += len(found & expected)
        score.wrong += [(caption_id, *pair) for pair in sorted(found - expected)]
        score.missed += [(caption_id, *pair) for pair in sorted(expected - found)]
    return scores

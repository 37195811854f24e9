"""Reports as training texts: which say the same, in which order, and vectors computed beforehand.

Letters: N texts, D embedding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from medvlp.errors import DataError
from medvlp.io import publish_file
from medvlp.text.reports.cleaning import report_variants
from medvlp.text.reports.sections import find_sections
from medvlp.text.reports.sentences import report_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "TextFeatures",
    "normalised_report",
    "number_reports",
    "read_text_features",
    "texts_to_embed",
    "variants_of",
    "write_text_features",
]

VARIANTS = 4
"""Number of shuffled texts beside the first that vectors are computed of, as published."""


def normalised_report(text: str) -> str:
    """Return what a report says, without case, spaces and the order of sentences in a section.

    Args:
        text: A report.
    """
    parts = []
    for section in find_sections(text):
        body = text[section.start : section.end]
        said = sorted(" ".join(s.text.casefold().split()) for s in report_sentences(body))
        parts.append(f"{section.kind}: {' '.join(said)}")
    return "\n".join(parts)


def number_reports(reports: Sequence[str]) -> list[int]:
    """Number reports from 0 in order of appearance; those that say the same get the same number.

    Args:
        reports: Reports; an empty one gets -1.
    """
    numbers: dict[str, int] = {}
    known: dict[str, int] = {}
    for report in reports:
        if report and report not in known:
            known[report] = numbers.setdefault(normalised_report(report), len(numbers))
    return [known.get(report, -1) for report in reports]


@lru_cache(maxsize=200_000)
def variants_of(report: str) -> tuple[str, ...]:
    """Return the texts of a report that vectors are computed of: as it is, and shuffled.

    Args:
        report: A cleaned report.
    """
    return tuple(dict.fromkeys((report, *report_variants(report, seed=0, count=VARIANTS)[1:])))


def texts_to_embed(reports: Iterable[str]) -> list[str]:
    """Return all texts that vectors are needed of, each once.

    Args:
        reports: Reports of a folder, of all splits.
    """
    return list(dict.fromkeys(text for report in reports for text in variants_of(report)))


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Vectors of texts, found by the text.

    Attributes:
        name: The file, for messages.
        rows: SHA-256 of a text -> its row.
        vectors: Shape ``(N, D)``, float32.
    """

    name: str
    rows: dict[bytes, int]
    vectors: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Length D of a vector."""
        return int(self.vectors.shape[1])

    def has(self, text: str) -> bool:
        """Say whether there is a vector of exactly this text."""
        return _digest(text) in self.rows

    def of(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a text, shape ``(D,)``.

        Raises:
            DataError: If there is none (MV1724).
        """
        row = self.rows.get(_digest(text))
        if row is None:
            raise DataError(
                "MV1724",
                f"{self.name} has no vector of the report {text[:60]!r}",
                expected="a vector of every report of the folder",
                hint="compute the vectors again from this folder's reports",
            )
        vector: NDArray[np.float32] = self.vectors[row]
        return vector


def write_text_features(
    path: Path, texts: Sequence[str], vectors: NDArray[np.floating], *, encoder: str = ""
) -> None:
    """Write vectors of texts as safetensors: ``sha256 (N, 32) uint8`` and ``vectors (N, D)``.

    Args:
        path: The file.
        texts: N different texts; only their hashes are written.
        vectors: Shape ``(N, D)``, float16 or float32.
        encoder: What made the vectors, for people.

    Raises:
        ValueError: If there is not one vector for each text, or a text stands twice.
    """
    if vectors.ndim != 2 or len(vectors) != len(texts) or len(set(texts)) != len(texts):
        msg = f"{len(texts)} texts ({len(set(texts))} different), vectors {vectors.shape}"
        raise ValueError(msg)
    keys = np.frombuffer(b"".join(_digest(text) for text in texts), np.uint8).reshape(-1, 32)
    arrays = {"sha256": keys.copy(), "vectors": np.ascontiguousarray(vectors)}
    with publish_file(path) as partial:
        safetensors.numpy.save_file(arrays, partial, metadata={"encoder": encoder})


def read_text_features(path: Path) -> TextFeatures:
    """Read what :func:`write_text_features` wrote.

    Raises:
        DataError: If the file is missing, damaged or holds values that are not finite (MV1723).
    """
    try:
        with safe_open(path, framework="numpy") as file:
            if set(file.keys()) != {"sha256", "vectors"}:
                raise _bad(path, f"it holds {sorted(file.keys())[:4]}")
            keys, vectors = file.get_tensor("sha256"), file.get_tensor("vectors")
    except (OSError, SafetensorError) as error:
        raise _bad(path, str(error)) from error
    if keys.dtype != np.uint8 or keys.shape[1:] != (32,) or vectors.ndim != 2:
        raise _bad(path, f"sha256 is {keys.dtype} {keys.shape}, vectors {vectors.shape}")
    if len(keys) != len(vectors) or not vectors.size or vectors.dtype.kind != "f":
        raise _bad(path, f"{len(keys)} hashes and {vectors.dtype} vectors {vectors.shape}")
    values = vectors.astype(np.float32)
    if not np.isfinite(values).all():
        raise _bad(path, "a vector holds a value that is not finite")
    rows = {key.tobytes(): number for number, key in enumerate(keys)}
    return TextFeatures(path.name, rows, values)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _bad(path: Path, why: str) -> DataError:
    return DataError(
        "MV1723",
        f"{path} holds no vectors of texts: {why}",
        expected="safetensors with sha256 (N, 32) uint8 and finite vectors (N, D)",
    )

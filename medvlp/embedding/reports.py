"""Vectors of reports computed beforehand, for training that keeps its text side at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.data.scan_texts import texts_to_embed, write_text_features
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from medvlp.jobs.progress import Progress
    from medvlp.models.text_encoder import EmbedsTexts

__all__ = ["EmbeddedReports", "embed_reports"]

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class EmbeddedReports:
    """What was written.

    Attributes:
        num_texts: Number of different texts, shuffled ones among them.
        dim: Length of a vector.
    """

    num_texts: int
    dim: int


def embed_reports(
    reports: Iterable[str],
    encoder: EmbedsTexts,
    out: Path,
    *,
    precision: Literal["float16", "float32"] = "float32",
    progress: Progress | None = None,
) -> EmbeddedReports:
    """Write the vectors of reports and of their shuffled variants, found by the text's SHA-256.

    Args:
        reports: Reports just as the training data holds them; empty ones are left out.
        encoder: Turns texts into unit vectors.
        out: The safetensors file.
        precision: Numbers of the vectors in the file.
        progress: Told of every text.

    Raises:
        DataError: If no report has words (MV1758).

    Source:
        RenalCLIP (arXiv:2508.16569): one original and four shuffled texts for each kidney.
    """
    texts = texts_to_embed(report for report in reports if report.strip())
    if not texts:
        raise DataError("MV1758", "no report has words", expected="at least one")
    # texts of like length stand together, so that little is padding
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = None
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        rows = order[start : start + _TEXTS_AT_ONCE]
        found = encoder.embed([texts[row] for row in rows])
        if vectors is None:
            vectors = np.empty((len(texts), found.shape[1]), dtype=precision)
        vectors[rows] = found
        if progress is not None:
            progress.advance(len(rows))
    if vectors is None:
        raise RuntimeError("no vector was computed")
    write_text_features(out, texts, vectors, encoder=encoder.name)
    return EmbeddedReports(len(texts), int(vectors.shape[1]))

"""Write the report of a phantom slide, and captions of its regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.captions import caption_class
from medvlp.phantoms.classes import CLASSES, GLASS, find_class
from medvlp.phantoms.vocabulary import TRAITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["caption_regions", "write_report"]


def caption_regions(rng: np.random.Generator, labels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Write one caption for each tissue that is on a slide, in the order of the class codes.

    Args:
        rng: Source of the choice of words.
        labels: Class codes, ``(rows, cols)``.
    """
    present = [code for code in np.unique(labels).tolist() if code != GLASS.code]
    return tuple(caption_class(rng, CLASSES[code].key) for code in present)


def write_report(
    rng: np.random.Generator,
    labels: NDArray[np.uint8],
    artefact_bits: NDArray[np.uint8],
    *,
    diagnosis: str,
    tumor_share: float,
    um_per_px: float,
) -> str:
    """Write what a pathologist would: material, microscopy, artefacts, diagnosis.

    Args:
        rng: Source of the choice of words.
        labels: Class codes, ``(rows, cols)``.
        artefact_bits: 1 pen, 2 fold, 4 out of focus, ``(rows, cols)``.
        diagnosis: Key of the diagnosis.
        tumor_share: Share of the solid tissue that is tumour, 0 to 1.
        um_per_px: Side of a map pixel in micrometres.
    """
    area_mm2 = float((labels != GLASS.code).sum()) * (um_per_px / 1000) ** 2
    traits = [group[rng.integers(len(group))] for group in TRAITS[diagnosis]]
    microscopy = f"{traits[0]}, {traits[1]} and {traits[2]}"
    sentences = [f"The section holds {area_mm2:.1f} square millimetres of tissue."]
    if diagnosis == "normal":
        sentences.append(f"It shows {microscopy}. There is no tumor.")
    else:
        percent = round(100 * tumor_share)
        sentences.append(
            f"Tumor takes {percent} percent of the solid tissue; it shows {microscopy}."
        )
    if (labels == find_class("fat").code).any():
        sentences.append("Adipose tissue is included.")
    seen = [
        words
        for bit, words in ((1, "ink"), (2, "a fold"), (4, "a field out of focus"))
        if (artefact_bits & bit).any()
    ]
    if seen:
        sentences.append(f"Artefacts: {', '.join(seen)}.")
    sentences.append(f"Diagnosis: {find_class(diagnosis).names[0]}.")
    return " ".join(sentences)

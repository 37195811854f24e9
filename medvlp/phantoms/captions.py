"""Say in words what a phantom slide shows: captions of tiles and regions, and a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.classes import CLASSES, GLASS, find_class

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.truth import PhantomSlideTruth

__all__ = ["PROMPT_TEMPLATES", "caption_tiles", "describe_slide", "dominant_classes"]

PROMPT_TEMPLATES: tuple[str, ...] = (
    "{}.",
    "an H&E image of {}.",
    "a histopathology tile showing {}.",
    "{} is present.",
    "microscopy of {} stained with hematoxylin and eosin.",
)
"""Sentences that a class name is put into; captions use the same ones among others."""

_CAPTIONS: tuple[str, ...] = (
    *PROMPT_TEMPLATES,
    "{name} with {trait}.",
    "{trait}, consistent with {name}.",
    "an H&E image of {name}, {trait}.",
    "this tile shows {name}: {trait} and {other}.",
    "{name}. There are {trait} and {other}.",
)

_TRAITS: dict[str, tuple[str, ...]] = {
    "clear-cell": (
        "nests of polygonal cells with clear cytoplasm",
        "small round nuclei in empty cells",
        "sharp cell membranes and a delicate capillary network",
        "low nuclear density and pale cytoplasm",
        "a nested architecture without lumens",
    ),
    "papillary": (
        "papillae lined by a single row of cells",
        "fibrovascular cores surrounded by white space",
        "finger-like projections with cuboidal cells",
        "thin fronds in an open space",
        "medium-sized nuclei lined up along papillae",
    ),
    "small-cell": (
        "solid sheets of small dark nuclei",
        "very high nuclear density and scant cytoplasm",
        "crowded, moulded nuclei without glands",
        "densely packed hyperchromatic cells",
        "diffuse growth with hardly any cytoplasm",
    ),
    "glandular": (
        "irregular glands with wide lumens",
        "tall columnar cells with elongated, crowded nuclei",
        "malignant glands in a pink fibrous stroma",
        "pseudostratified nuclei around lumens",
        "gland formation with large long nuclei",
    ),
    "normal": (
        "regular round tubules with small lumens",
        "evenly spaced small nuclei in pink cytoplasm",
        "back-to-back tubules with abundant eosinophilic cytoplasm",
        "an orderly tubular architecture",
        "low nuclear density without atypia",
    ),
    "stroma": (
        "wavy collagen fibres",
        "scattered spindle nuclei",
        "pink fibrous bundles and few cells",
        "thin clefts between collagen bundles",
    ),
    "fat": (
        "large empty cells with thin walls",
        "white vacuoles and flat peripheral nuclei",
        "a lace of thin membranes",
        "almost no nuclei",
    ),
    "glass": ("no tissue", "only light", "nothing to see"),
}


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
    codes = np.zeros(len(coords_px0), dtype=np.int64)
    shares = np.zeros(len(coords_px0), dtype=np.float32)
    rows, cols = truth.labels.shape
    for index, (x, y) in enumerate(np.asarray(coords_px0).tolist()):
        left, right = _span(x, tile_px0, truth.px0_per_px, cols)
        top, bottom = _span(y, tile_px0, truth.px0_per_px, rows)
        count = np.bincount(truth.labels[top:bottom, left:right].ravel(), minlength=len(CLASSES))
        codes[index] = int(count.argmax())
        shares[index] = count.max() / count.sum()
    return codes, shares


def _span(start_px0: float, length_px0: float, step: int, limit: int) -> tuple[int, int]:
    first = min(max(round(start_px0 / step), 0), limit - 1)
    return first, min(max(round((start_px0 + length_px0) / step), first + 1), limit)


def caption_tiles(
    truth: PhantomSlideTruth,
    coords_px0: NDArray[np.int64],
    tile_px0: float,
    seed: int,
    *,
    min_share: float = 0.75,
) -> list[str | None]:
    """Write a caption for each tile that one class dominates.

    Args:
        truth: Truth of the slide.
        coords_px0: Top left corners ``(N, 2)`` as (x, y) in level-0 pixels.
        tile_px0: Side of a tile in level-0 pixels.
        seed: Seed of the choice of words; the caption of a tile depends on it and on the position only.
        min_share: Share of the tile that the class must cover.

    Returns:
        One caption per tile, None where no class covers enough of it.
    """
    codes, shares = dominant_classes(truth, coords_px0, tile_px0)
    captions: list[str | None] = []
    for (x, y), code, share in zip(
        np.asarray(coords_px0).tolist(), codes.tolist(), shares.tolist(), strict=True
    ):
        if share < min_share:
            captions.append(None)
            continue
        rng = np.random.default_rng((seed, truth.seed, int(x), int(y)))
        captions.append(_caption(rng, CLASSES[code].key))
    return captions


def _caption(rng: np.random.Generator, key: str) -> str:
    template = _CAPTIONS[rng.integers(len(_CAPTIONS))]
    names, traits = find_class(key).names, _TRAITS[key]
    name = names[rng.integers(len(names))]
    first, second = rng.permutation(len(traits))[:2]
    sentence = template.format(name, name=name, trait=traits[first], other=traits[second])
    return sentence[0].upper() + sentence[1:]


def describe_slide(
    labels: NDArray[np.uint8],
    artefact_bits: NDArray[np.uint8],
    diagnosis: str,
    tumor_share: float,
    rng: np.random.Generator,
    um_per_px: float,
) -> tuple[tuple[str, ...], str]:
    """Write captions of a slide's regions, and its report.

    Args:
        labels: Class codes, ``(rows, cols)``.
        artefact_bits: 1 pen, 2 fold, 4 out of focus, ``(rows, cols)``.
        diagnosis: Key of the diagnosis.
        tumor_share: Share of the solid tissue that is tumour.
        rng: Source of the choice of words.
        um_per_px: Side of a map pixel in micrometres.

    Returns:
        One caption per class that is on the slide, and the report.
    """
    present = [code for code in np.unique(labels).tolist() if code != GLASS.code]
    captions = tuple(_caption(rng, CLASSES[code].key) for code in present)
    area_mm2 = float((labels != GLASS.code).sum()) * (um_per_px / 1000) ** 2
    name = find_class(diagnosis).names[0]
    parts = [f"The section holds {area_mm2:.1f} square millimetres of tissue."]
    traits = _TRAITS[diagnosis]
    first, second = rng.permutation(len(traits))[:2]
    if diagnosis == "normal":
        parts.append(f"It shows {traits[first]} and {traits[second]}. There is no tumor.")
    else:
        parts.append(
            f"About {round(100 * tumor_share)} percent of the solid tissue is tumor, "
            f"with {traits[first]} and {traits[second]}."
        )
    seen = [
        word
        for bit, word in ((1, "ink"), (2, "a fold"), (4, "an area out of focus"))
        if (artefact_bits & bit).any()
    ]
    if seen:
        parts.append(f"Artefacts: {', '.join(seen)}.")
    parts.append(f"Diagnosis: {name}.")
    return captions, " ".join(parts)

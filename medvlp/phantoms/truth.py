"""What is where on a phantom slide, and how it is stored beside the slide."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import measure

from medvlp.errors import PhantomError
from medvlp.io import publish_file, write_json
from medvlp.phantoms.classes import CLASSES, find_class

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ARTEFACTS", "PhantomSlideTruth", "load_truth", "save_truth", "truth_paths"]

ARTEFACTS = ("pen", "fold", "blur")
"""Names of the bits of ``PhantomSlideTruth.artefacts``: bit 0, 1, 2."""


@dataclass(frozen=True, kw_only=True)
class PhantomSlideTruth:
    """The truth of one phantom slide.

    The maps cover the slide with square pixels of ``px0_per_px`` level-0 pixels; the last row and
    column may reach beyond the slide's edge.

    Attributes:
        labels: Code of the tissue class at the centre of each map pixel, ``(rows, cols)``, uint8.
        artefacts: Bits: 1 pen, 2 fold, 4 out of focus, ``(rows, cols)``, uint8.
        px0_per_px: Side of a map pixel in level-0 pixels.
        size_px0: ``(width, height)`` of the slide in level-0 pixels.
        mpp: Micrometres per level-0 pixel.
        seed: Seed of the slide.
        diagnosis: Key of the diagnosis: a tumour class, or ``normal``.
        tumor_share: Share of the solid tissue (all but fat) that is tumour.
        captions: Sentences about the slide's regions.
        report: A report in prose.
    """

    labels: NDArray[np.uint8]
    artefacts: NDArray[np.uint8]
    px0_per_px: int
    size_px0: tuple[int, int]
    mpp: float
    seed: int
    diagnosis: str
    tumor_share: float
    captions: tuple[str, ...]
    report: str

    @property
    def class_keys(self) -> tuple[str, ...]:
        """Keys of the classes; the position is the code in ``labels``."""
        return tuple(item.key for item in CLASSES)

    def tissue_mask(self, *, with_fat: bool = True) -> NDArray[np.bool_]:
        """Return what counts as tissue, shape of ``labels``.

        Tissue is everything that was cut from a patient: tumour, normal tissue, stroma, and fat
        unless left out, with the lumens inside, folded and blurred parts, and parts under ink.
        Glass, dust, and ink on glass are not tissue. A detector that may or may not find the
        nearly white fat is judged fairly by its recall of the mask without fat and its precision
        against the mask with fat.

        Args:
            with_fat: Whether fat counts.
        """
        tissue = self.labels != find_class("glass").code
        if not with_fat:
            tissue &= self.labels != find_class("fat").code
        return np.asarray(tissue, dtype=np.bool_)

    def class_mask(self, key: str) -> NDArray[np.bool_]:
        """Return where one class lies, shape of ``labels``.

        Args:
            key: ``TissueClass.key``.

        Raises:
            PhantomError: MV1901 when no class has this key.
        """
        return np.asarray(self.labels == find_class(key).code, dtype=np.bool_)

    def outlines(self, key: str) -> list[NDArray[np.float32]]:
        """Return the closed outlines of one class's regions, holes included.

        Args:
            key: ``TissueClass.key``.

        Returns:
            One array ``(N, 2)`` of (x, y) in level-0 pixels per outline, first point = last point.

        Raises:
            PhantomError: MV1901 when no class has this key.
        """
        framed = np.pad(self.class_mask(key), 1).astype(np.float32)
        find_contours: Any = measure.find_contours
        lines = find_contours(framed, 0.5)
        return [((line[:, ::-1] - 0.5) * self.px0_per_px).astype(np.float32) for line in lines]


def truth_paths(slide_path: Path) -> tuple[Path, Path]:
    """Return where the truth of a slide is kept: the maps (npz) and the words (json).

    Args:
        slide_path: Path of the slide, ``<name>.tif`` or ``<name>.svs``.
    """
    return slide_path.with_suffix(".truth.npz"), slide_path.with_suffix(".truth.json")


def save_truth(slide_path: Path, truth: PhantomSlideTruth) -> None:
    """Write ``<name>.truth.npz`` and ``<name>.truth.json`` beside a slide.

    Args:
        slide_path: Path of the slide.
        truth: What to write.
    """
    maps_path, words_path = truth_paths(slide_path)
    with publish_file(maps_path) as temporary:
        np.savez_compressed(temporary, labels=truth.labels, artefacts=truth.artefacts)
    words = {
        "px0_per_px": truth.px0_per_px,
        "size_px0": list(truth.size_px0),
        "mpp": truth.mpp,
        "seed": truth.seed,
        "diagnosis": truth.diagnosis,
        "tumor_share": truth.tumor_share,
        "class_keys": list(truth.class_keys),
        "captions": list(truth.captions),
        "report": truth.report,
    }
    write_json(words_path, words)


def load_truth(slide_path: Path) -> PhantomSlideTruth:
    """Read the truth that lies beside a phantom slide.

    Args:
        slide_path: Path of the slide.

    Raises:
        PhantomError: MV1903 when the truth is missing or cannot be read.
    """
    maps_path, words_path = truth_paths(slide_path)
    try:
        with np.load(maps_path, allow_pickle=False) as maps:
            labels, artefacts = maps["labels"], maps["artefacts"]
        words = json.loads(words_path.read_text(encoding="utf-8"))
        width, height = words["size_px0"]
        return PhantomSlideTruth(
            labels=labels,
            artefacts=artefacts,
            px0_per_px=int(words["px0_per_px"]),
            size_px0=(int(width), int(height)),
            mpp=float(words["mpp"]),
            seed=int(words["seed"]),
            diagnosis=str(words["diagnosis"]),
            tumor_share=float(words["tumor_share"]),
            captions=tuple(words["captions"]),
            report=str(words["report"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PhantomError(
            "MV1903",
            f"the truth of {slide_path.name} cannot be read ({type(error).__name__}: {error})",
            expected=f"{maps_path.name} and {words_path.name} beside the slide",
            hint="write the slide again with write_phantom_slide",
        ) from error

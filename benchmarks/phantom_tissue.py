"""Tissue found on phantom slides beside the painted truth, and on a plain Otsu threshold.

Target: over fresh seeds, recall of at least 0.98 and precision of at least 0.95. Tissue is all that
was cut from a patient; nearly white fat counts where it is found and is not asked for (recall over
the truth without fat, precision over the truth with it). The recall with fat is printed too.

Command: python -m benchmarks.phantom_tissue --json benchmarks/results/phantom_tissue.json --check
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from benchmarks.report import write_report
from medvlp.phantoms.classes import DIAGNOSES
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide
from medvlp.slides.reader import open_slide
from medvlp.slides.tissue import find_slide_tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET_RECALL, TARGET_PRECISION = 0.98, 0.95


def main() -> int:
    """Paint, find, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(9000, 9010)))
    parser.add_argument("--slide-px", type=int, default=4096)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    options = parser.parse_args()
    counts = np.array([_count(seed, options.slide_px) for seed in options.seeds], np.float64)
    header = ("seed", "recall", "with fat", "precision", "Otsu recall", "Otsu precision")
    print("  ".join(f"{name:>14}" for name in header))
    rows = [_shares(row) for row in counts]
    for seed, row in zip(options.seeds, rows, strict=True):
        print(f"{seed:>14}  " + "  ".join(f"{value:>14.4f}" for value in row))
    pooled = _shares(counts.sum(axis=0))
    print(f"{'all':>14}  " + "  ".join(f"{value:>14.4f}" for value in pooled))
    print(
        f"recall {pooled[0]:.4f} (target {TARGET_RECALL}), "
        f"precision {pooled[2]:.4f} (target {TARGET_PRECISION})"
    )
    if options.json:
        settings = {"seeds": options.seeds, "slide_px": options.slide_px}
        figures = {"columns": header[1:], "slides": rows, "pooled": pooled}
        write_report(options.json, "phantom_tissue", settings, figures)
    missed = pooled[0] < TARGET_RECALL or pooled[2] < TARGET_PRECISION
    return int(options.check and missed)


def _count(seed: int, side_px: int) -> list[int]:
    """Return areas: solid truth, all truth; found of each and in all, by us and by Otsu."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        diagnosis = DIAGNOSES[seed % len(DIAGNOSES)]
        spec = PhantomSlideSpec(seed=seed, diagnosis=diagnosis, size_px=(side_px, side_px))
        truth = write_phantom_slide(path, spec)
        with open_slide(path) as reader:
            overview, tissue = find_slide_tissue(reader)
    shape = truth.labels.shape
    solid, every = truth.tissue_mask(with_fat=False), truth.tissue_mask()
    saturation = rgb2hsv(overview.rgb)[..., 1]
    areas: list[int] = []
    for found in (tissue.mask, saturation > threshold_otsu(saturation)):
        mask = _fit(found, shape)
        areas += [(mask & solid).sum(), (mask & every).sum(), mask.sum()]
    return [solid.sum(), every.sum(), *areas]


def _fit(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    picture = Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return np.asarray(picture)


def _shares(areas: NDArray[np.float64]) -> list[float]:
    solid, every, hit, hit_every, found, otsu_hit, otsu_every, otsu_found = areas.tolist()
    return [
        hit / solid,
        hit_every / every,
        hit_every / found,
        otsu_hit / solid,
        otsu_every / otsu_found,
    ]


if __name__ == "__main__":
    sys.exit(main())

"""Write a phantom slide: a pyramid that slide readers open, and its truth beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import PhantomError, nearest_name
from medvlp.io import publish_file
from medvlp.phantoms.artefacts import draw_artefacts
from medvlp.phantoms.classes import CLASSES, DIAGNOSES, GLASS, find_class
from medvlp.phantoms.layout import Layout, draw_layout
from medvlp.phantoms.pyramid import PyramidSettings, write_pyramid
from medvlp.phantoms.render import REACH_PX, SlidePainter
from medvlp.phantoms.reports import caption_regions, write_report
from medvlp.phantoms.stains import draw_staining
from medvlp.phantoms.textures import TextureBank, paint_texture
from medvlp.phantoms.truth import PhantomSlideTruth, load_truth, save_truth

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PhantomSlideSpec", "PhantomSlideTruth", "load_truth", "write_phantom_slide"]

_MAP_UM = 8.0
_SMALLEST_PX = 512
_LARGEST_PX = 200_000


@dataclass(frozen=True, kw_only=True)
class PhantomSlideSpec:
    """What a phantom slide should be; everything else is drawn from the seed.

    Attributes:
        seed: Equal seeds and settings give equal bytes.
        diagnosis: One of ``DIAGNOSES``: a tumour, or ``normal``.
        size_px: ``(width, height)`` in level-0 pixels.
        mpp: Micrometres per level-0 pixel; cells and glands keep their physical size.
        tumor_share: Share of the solid tissue (all but fat) that the tumour takes, 0 to 1.
        n_pieces: Number of tissue pieces; 0 lets the seed choose.
        pen_marks: Number of ink strokes.
        folds: Number of folds.
        blurred_areas: Number of areas out of focus.
        dust: Number of specks of dust.
        header: ``generic`` (scale in the resolution tags) or ``aperio`` (also in the description).
        has_mpp: Whether the file states its scale.
        quality: JPEG quality.
        threads: Threads that paint and encode; the bytes do not depend on it.
    """

    seed: int
    diagnosis: str
    size_px: tuple[int, int] = (4096, 4096)
    mpp: float = 0.5
    tumor_share: float = 0.5
    n_pieces: int = 0
    pen_marks: int = 1
    folds: int = 1
    blurred_areas: int = 1
    dust: int = 8
    header: Literal["generic", "aperio"] = "generic"
    has_mpp: bool = True
    quality: int = 80
    threads: int = 2

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            PhantomError: MV1901 for an unknown diagnosis, MV1902 for a value out of range.
        """
        if self.diagnosis not in DIAGNOSES:
            raise PhantomError(
                "MV1901",
                f"diagnosis {self.diagnosis!r} is unknown{nearest_name(self.diagnosis, DIAGNOSES)}",
                expected=f"one of {', '.join(DIAGNOSES)}",
            )
        limits = (
            ("size_px", min(self.size_px), _SMALLEST_PX, _LARGEST_PX),
            ("size_px", max(self.size_px), _SMALLEST_PX, _LARGEST_PX),
            ("mpp", self.mpp, 0.1, 4.0),
            ("tumor_share", self.tumor_share, 0.0, 1.0),
            ("n_pieces", self.n_pieces, 0, 12),
            ("quality", self.quality, 1, 100),
            ("threads", self.threads, 1, 256),
        )
        for name, value, low, high in limits:
            if not low <= value <= high:
                raise PhantomError(
                    "MV1902",
                    f"{name}={getattr(self, name)} cannot be made",
                    expected=f"values from {low} to {high}",
                )

    @property
    def px0_per_px(self) -> int:
        """Level-0 pixels per map pixel: the power of two that comes nearest to 8 micrometres."""
        return int(2 ** np.clip(round(float(np.log2(_MAP_UM / self.mpp))), 1, 7))


def _rng(spec: PhantomSlideSpec, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=(stream,)))


def _texture_px(spec: PhantomSlideSpec) -> int:
    """Side of the textures: large enough not to look repeated, small enough for small slides."""
    wanted_um = float(np.clip(0.2 * min(spec.size_px) * spec.mpp, 320, 768))
    return int(np.clip(round(wanted_um / spec.mpp / 32) * 32, 256, 2048))


def _build_bank(spec: PhantomSlideSpec, labels: NDArray[np.uint8]) -> TextureBank:
    staining = draw_staining(_rng(spec, 3))
    codes = sorted({GLASS.code, *np.unique(labels).tolist()})

    def paint(code: int) -> NDArray[np.uint8]:
        key = CLASSES[code].key
        return paint_texture(_rng(spec, 100 + code), key, _texture_px(spec), spec.mpp, staining)

    with ThreadPoolExecutor(spec.threads) as pool:
        return TextureBank(dict(zip(codes, pool.map(paint, codes), strict=True)), REACH_PX)


def _build_truth(
    spec: PhantomSlideSpec, layout: Layout, artefact_bits: NDArray[np.uint8]
) -> PhantomSlideTruth:
    labels, wanted = layout.labels, find_class(spec.diagnosis)
    solid = np.count_nonzero((labels != GLASS.code) & (labels != find_class("fat").code))
    tumor = np.count_nonzero(labels == wanted.code) if wanted.is_tumor else 0
    share = float(tumor) / max(float(solid), 1.0)
    rng = _rng(spec, 7)
    return PhantomSlideTruth(
        labels=labels,
        artefacts=artefact_bits,
        px0_per_px=spec.px0_per_px,
        size_px0=spec.size_px,
        mpp=spec.mpp,
        seed=spec.seed,
        diagnosis=spec.diagnosis,
        tumor_share=share,
        captions=caption_regions(rng, labels),
        report=write_report(
            rng,
            labels,
            artefact_bits,
            diagnosis=spec.diagnosis,
            tumor_share=share,
            um_per_px=layout.um_per_px,
        ),
    )


def _description(spec: PhantomSlideSpec) -> str:
    if spec.header == "generic":
        return ""
    size = "x".join(map(str, spec.size_px))
    scale = f"|AppMag = {10 / spec.mpp:g}|MPP = {spec.mpp:g}" if spec.has_mpp else ""
    return f"Aperio Image Library phantom\r\n{size} (256x256) JPEG/RGB Q={spec.quality}{scale}"


def write_phantom_slide(path: Path, spec: PhantomSlideSpec) -> PhantomSlideTruth:
    """Write a slide and, beside it, its truth.

    The file is a tiled JPEG TIFF with levels 1, 1/4 and 1/16. It appears under its name only when
    it is whole, after its truth.

    Args:
        path: Where to write, ``<name>.tif`` (or ``.svs`` for the Aperio header). The truth goes to
            ``<name>.truth.npz`` and ``<name>.truth.json``.
        spec: What to write.

    Returns:
        The truth, as ``load_truth(path)`` would read it.
    """
    step = spec.px0_per_px
    um_per_px = step * spec.mpp
    shape = (-(-spec.size_px[1] // step), -(-spec.size_px[0] // step))
    rng = _rng(spec, 1)
    layout = draw_layout(
        rng,
        shape,
        um_per_px,
        diagnosis=spec.diagnosis,
        tumor_share=spec.tumor_share,
        n_pieces=spec.n_pieces or int(rng.integers(1, 4)),
    )
    artefacts = draw_artefacts(
        _rng(spec, 2),
        layout.labels > 0,
        um_per_px=um_per_px,
        px0_per_px=step,
        pen_marks=spec.pen_marks,
        folds=spec.folds,
        blurred_areas=spec.blurred_areas,
        dust=spec.dust,
    )
    bank = _build_bank(spec, layout.labels)
    painter = SlidePainter(
        layout, artefacts, bank, px0_per_px=step, mpp=spec.mpp, rng=_rng(spec, 4)
    )
    truth = _build_truth(spec, layout, artefacts.bits())
    settings = PyramidSettings(
        size_px=spec.size_px,
        mpp=spec.mpp if spec.has_mpp else None,
        quality=spec.quality,
        threads=spec.threads,
        description=_description(spec),
    )
    save_truth(path, truth)
    with publish_file(path) as temporary:
        write_pyramid(temporary, painter, settings)
    return truth

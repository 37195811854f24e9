"""A cohort of phantom slides: slides of every diagnosis, and the task that tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.phantoms.classes import TUMORS, find_class
from medvlp.phantoms.ontology import concept_of
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide
from medvlp.phantoms.vocabulary import PROMPT_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["CohortSlide", "cohort_task", "write_cohort"]

_SEEDS_PER_COHORT = 10_000


@dataclass(frozen=True, kw_only=True)
class CohortSlide:
    """One slide of a cohort.

    Attributes:
        path: The slide; its truth lies beside it.
        diagnosis: Key of its diagnosis.
    """

    path: Path
    diagnosis: str


def write_cohort(
    folder: Path,
    *,
    slides_per_diagnosis: int,
    seed: int,
    diagnoses: Sequence[str] = TUMORS,
    size_px: tuple[int, int] = (3072, 3072),
    mpp: float = 0.5,
    on_slide: Callable[[], None] = lambda: None,
) -> list[CohortSlide]:
    """Write phantom slides of several diagnoses.

    Args:
        folder: Where to; slides are named ``phantom_<number>.tif``: no name tells a diagnosis.
        slides_per_diagnosis: How many of each.
        seed: Seed of the cohort; cohorts of different seeds share no slide.
        diagnoses: Keys of the diagnoses.
        size_px: (width, height) in level-0 pixels.
        mpp: Micrometres per level-0 pixel.
        on_slide: Called after each slide.

    Returns:
        The slides, diagnoses in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slides = []
    for number in range(slides_per_diagnosis * len(diagnoses)):
        diagnosis = diagnoses[number % len(diagnoses)]
        path = folder / f"phantom_{number:03d}.tif"
        spec = PhantomSlideSpec(
            seed=seed * _SEEDS_PER_COHORT + number, diagnosis=diagnosis, size_px=size_px, mpp=mpp
        )
        write_phantom_slide(path, spec)
        slides.append(CohortSlide(path=path, diagnosis=diagnosis))
        on_slide()
    return slides


def cohort_task(*, mpp: float = 0.5, tile_px: int = 256) -> dict[str, Any]:
    """Return the task of telling the four phantom tumours apart, as a TASK.yaml holds it.

    Args:
        mpp: Micrometres per tile pixel.
        tile_px: Side of a tile in pixels.
    """
    classes: dict[str, Any] = {
        key: {"names": list(find_class(key).names), "concept": concept_of(key)} for key in TUMORS
    }
    other = [name for key in ("normal", "stroma", "fat") for name in find_class(key).names]
    classes["normal"] = {"names": other}
    return {
        "name": "phantom-subtyping",
        "modality": "slide",
        "scale": {"mpp": mpp, "tile_px": tile_px},
        "head": "subtype-ratio",
        "normal": "normal",
        "classes": classes,
        "templates": list(PROMPT_TEMPLATES),
    }

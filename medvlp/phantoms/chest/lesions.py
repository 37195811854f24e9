"""Place lesions in a lung and paint them.

A finding on one side is one lesion or a group of three or four (bands: three). Sizes are in mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.phantoms.chest.frame import edge
from medvlp.phantoms.chest.shapes import outline, texture
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from medvlp.phantoms.chest.frame import Frame
    from medvlp.phantoms.chest.traits import Traits

    Field = NDArray[np.float32]
    Point = tuple[float, float]

__all__ = ["SIZES_MM", "Lesion", "draw_lesions", "draw_size_mm", "paint_lesions"]

SIZES_MM: dict[str, tuple[float, float, float, float]] = {
    "round": (40, 56, 24, 31),
    "ring": (44, 60, 28, 34),
    "band": (64, 80, 48, 58),
    "patch": (56, 72, 32, 40),
    "wedge": (54, 70, 30, 38),
    "streaks": (62, 80, 40, 50),
}
"""Shape -> smallest and largest size of a single one, and of each of several."""

_DENSITIES = {"bright": 0.34, "faint": 0.18, "dark": -0.26}
_PIECES: dict[str, tuple[Point, ...]] = {
    "row": ((-0.6, -0.34), (0.6, -0.42), (0.02, 0.66), (-1.1, 0.72)),
    "stack": ((0.0, -0.46), (0.0, 0.0), (0.0, 0.46)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A lesion, before it is painted.

    Attributes:
        finding: The finding that it belongs to.
        side: The patient's side.
        size_mm: Its largest length.
        centre_mm: Where its middle lies, ``(x, y)``.
        turn: Where its tip points, if it has one, in radians.
        seed: Of its outline and texture.
    """

    finding: str
    side: Literal["left", "right"]
    size_mm: float
    centre_mm: Point
    turn: float
    seed: int

    @property
    def traits(self) -> Traits:
        """What it looks like."""
        return PHANTOM_FINDINGS[self.finding]


def draw_size_mm(rng: np.random.Generator, traits: Traits) -> float:
    """Draw the size of a finding: that of the largest lesion, a whole number.

    Args:
        rng: Source of chance.
        traits: What it looks like.
    """
    low, high = (
        SIZES_MM[traits.shape][:2] if traits.count == "single" else (SIZES_MM[traits.shape][2:])
    )
    return float(round(rng.uniform(low, high)))


def draw_lesions(
    rng: np.random.Generator,
    finding: str,
    side: Literal["left", "right"],
    size_mm: float,
    place: Callable[[np.random.Generator, float], tuple[Point, float]],
) -> tuple[Lesion, ...]:
    """Draw the lesions of a finding on one side.

    Args:
        rng: Source of chance.
        finding: Name of the finding.
        side: The patient's side.
        size_mm: Size of the largest lesion.
        place: From chance and the height of all in mm: the middle of all, and where tips point.
    """
    traits = PHANTOM_FINDINGS[finding]
    pieces: Sequence[Point] = ((0.0, 0.0),)
    if traits.count == "several":
        pieces = _PIECES["stack" if traits.shape == "band" else "row"][: int(rng.integers(3, 5))]
    shift = np.mean(np.array(pieces), axis=0)
    flat = 0.3 if traits.shape == "band" else 1.0
    height = size_mm * (flat + float(np.ptp(np.array(pieces)[:, 1])))
    (x, y), turn = place(rng, height)
    flip = 1.0 if rng.uniform() < 0.5 else -1.0
    lesions = []
    for number, (right, down) in enumerate(pieces):
        jitter = rng.uniform(-0.05, 0.05, 2) * size_mm
        centre = (
            x + flip * size_mm * (right - float(shift[0])) + float(jitter[0]),
            y + size_mm * (down - float(shift[1])) + float(jitter[1]),
        )
        size = size_mm if number == 0 else size_mm * float(rng.uniform(0.85, 1.0))
        lesions.append(
            Lesion(
                finding=finding,
                side=side,
                size_mm=size,
                centre_mm=centre,
                turn=turn + float(rng.uniform(-0.25, 0.25)),
                seed=int(rng.integers(2**31)),
            )
        )
    return tuple(lesions)


def paint_lesions(
    density: Field,
    lesions: Sequence[Lesion],
    *,
    frame: Frame,
    grid_mm: tuple[Field, Field],
    lung: Field,
) -> NDArray[np.bool_]:
    """Add lesions to a picture, in place.

    Args:
        density: Densities ``(H, W)`` float32, changed.
        lesions: The lesions.
        frame: The grid of the picture.
        grid_mm: x and y of its pixels.
        lung: Share of each pixel in which they are seen, ``(H, W)`` float32.

    Returns:
        Where they are, ``(H, W)`` bool: where more than 0.4 of a lesion is seen, before texture.
    """
    mask = np.zeros(density.shape, dtype=bool)
    for lesion in lesions:
        traits, rng = lesion.traits, np.random.default_rng(lesion.seed)
        here = frame.window(lesion.centre_mm, 0.8 * lesion.size_mm + 8)
        x = grid_mm[0][here] - np.float32(lesion.centre_mm[0])
        y = grid_mm[1][here] - np.float32(lesion.centre_mm[1])
        if x.size == 0:
            continue
        inside = outline(rng, traits.shape, x, y, size_mm=lesion.size_mm, turn=lesion.turn)
        soft = 2.0 if traits.border == "sharp" else _softness_mm(traits, lesion.size_mm)
        seen = edge(inside, soft) * lung[here]
        grain = texture(rng, traits.texture, x, y, frame.spacing_mm)
        density[here] += np.float32(_DENSITIES[traits.brightness]) * seen * grain
        mask[here] |= seen > 0.4
    return mask


def _softness_mm(traits: Traits, size_mm: float) -> float:
    """Return how wide a blurred border is: wide, but less than the lesion itself."""
    return min(0.45 * size_mm, 18.0) if traits.shape in {"round", "patch", "wedge"} else 11.0

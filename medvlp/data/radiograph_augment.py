"""Change radiographs at random, places of findings with them; what is left stays left.

Turn, shift, size and crop are one bilinear interpolation; what lies beyond the picture is black. A
picture is turned over only where that was asked for, and then the sides of its places with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.text.reports.side_words import swap_sides

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from numpy.typing import NDArray

    from medvlp.data.radiograph_manifest import FindingPlace

__all__ = [
    "RadiographAugmentSettings",
    "RadiographChange",
    "change_picture",
    "change_places",
    "draw_change",
    "turn_places",
]

Share = Annotated[float, Field(ge=0, le=0.5)]
Exponent = Annotated[float, Field(ge=0.1, le=10)]
_LEAST_VISIBLE = 0.25


class RadiographAugmentSettings(StrictModel):
    """How radiographs are changed in training.

    Attributes:
        rotate_deg: Largest turn within the picture.
        translate: Largest shift, as a share of the picture's side.
        scale: Largest relative change of size.
        crop: Smallest side of a crop from a random place, as a share of the picture's side, which
            is then brought to full size; 1 crops nothing.
        intensity_scale: Largest relative change of brightness.
        intensity_shift: Largest shift of brightness; 1 is the range from black to white.
        gamma: Range of the exponent of a change of contrast; its logarithm is drawn evenly.
        gamma_probability: How often contrast is changed.
        noise: Largest standard deviation of added noise; 1 is the range from black to white.
        flip: ``never`` keeps sides. ``swap-sides`` turns frontal pictures over, and swaps left and
            right in the report, in sided labels and in the places of findings. Pictures of other or
            unknown views, and those whose report or findings have no counterpart of the other side
            (:func:`medvlp.text.reports.side_words.swap_sides`), stay as they are. Organs change
            sides in a picture that is turned over, which no report says, and letters drawn into it
            are mirrored: left out by default.
        flip_probability: How often a picture that may be turned over is.
    """

    rotate_deg: Annotated[float, Field(ge=0, le=45)] = 10.0
    translate: Share = 0.05
    scale: Share = 0.1
    crop: Annotated[float, Field(ge=0.3, le=1)] = 0.85
    intensity_scale: Share = 0.1
    intensity_shift: Share = 0.1
    gamma: tuple[Exponent, Exponent] = (0.7, 1.4)
    gamma_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    noise: Share = 0.02
    flip: Literal["never", "swap-sides"] = "never"
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _check_gamma(self) -> Self:
        if self.gamma[0] > self.gamma[1]:
            raise rule_error(
                "MV1002", f"gamma {self.gamma} does not rise", expected="low, high", at="gamma"
            )
        return self


@dataclass(frozen=True, kw_only=True)
class RadiographChange:
    """What becomes of one picture.

    Attributes:
        matrix: From ``(row, col, 1)`` of a place in the changed picture to the one it shows, which
            is turned over already; continuous, in shares of the side, shape ``(2, 3)``.
        turned: Whether the picture is turned over first.
        gain: Factor of brightness.
        shift: What is added to brightness then.
        gamma: Exponent of brightness after that, 1 for none.
        noise: Standard deviation of the noise.
        noise_seed: Seed of the noise.
    """

    matrix: NDArray[np.float64]
    turned: bool = False
    gain: float = 1.0
    shift: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    noise_seed: int = 0


def draw_change(
    settings: RadiographAugmentSettings, rng: np.random.Generator, *, may_turn: bool = False
) -> RadiographChange:
    """Draw how one picture is changed.

    Args:
        settings: How much.
        rng: Where randomness comes from; always gives the same number of draws.
        may_turn: Whether the picture may be turned over.
    """
    draws = rng.uniform(-1.0, 1.0, size=12)
    chances = rng.uniform(size=2)
    seed = int(rng.integers(2**63))
    side = settings.crop + (1.0 - settings.crop) * (draws[0] + 1.0) / 2.0
    places = (1.0 - side) / 2.0 * draws[1:3]
    shift = settings.translate * draws[3:5]
    size = side / (1.0 + settings.scale * draws[5])
    angle = math.radians(settings.rotate_deg) * draws[6]
    turn = size * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    middle = np.array([0.5, 0.5])
    offset = middle + places + shift - turn @ middle
    low, high = (math.log(value) for value in settings.gamma)
    has_gamma = chances[0] < settings.gamma_probability
    return RadiographChange(
        matrix=np.concatenate([turn, offset[:, None]], axis=1),
        turned=may_turn
        and settings.flip == "swap-sides"
        and bool(chances[1] < settings.flip_probability),
        gain=1.0 + settings.intensity_scale * float(draws[7]),
        shift=settings.intensity_shift * float(draws[8]),
        gamma=math.exp(low + (high - low) * (draws[9] + 1.0) / 2.0) if has_gamma else 1.0,
        noise=settings.noise * abs(float(draws[10])),
        noise_seed=seed,
    )


def change_picture(pixels: NDArray[np.float32], change: RadiographChange) -> NDArray[np.float32]:
    """Change a picture.

    Args:
        pixels: Gray levels in [0, 1], shape ``(S, S)``, float32; not changed itself.
        change: What to do.

    Returns:
        Gray levels in [0, 1], shape ``(S, S)``, float32.
    """
    side = pixels.shape[0]
    source = np.ascontiguousarray(pixels[:, ::-1] if change.turned else pixels)
    (rr, rc, r0), (cr, cc, c0) = change.matrix.tolist()
    values = np.array(
        Image.fromarray(source).transform(
            (side, side),
            Image.Transform.AFFINE,
            (cc, cr, c0 * side, rc, rr, r0 * side),  # x is the column, y the row
            Image.Resampling.BILINEAR,
        ),
        dtype=np.float32,
    )
    values *= np.float32(change.gain)
    values += np.float32(change.shift)
    if change.noise:
        rng = np.random.default_rng(change.noise_seed)
        values += np.float32(change.noise) * rng.standard_normal(values.shape, dtype=np.float32)
    np.clip(values, 0, 1, out=values)
    if change.gamma != 1.0:
        np.power(values, np.float32(change.gamma), out=values)
    return values


def change_places(
    places: Iterable[FindingPlace], change: RadiographChange, size_px: int
) -> tuple[FindingPlace, ...]:
    """Change places as :func:`change_picture` changes what they show.

    Args:
        places: Places in pixels of the square.
        change: What was done.
        size_px: Side of the square.

    Returns:
        The upright boxes around the changed ones, cut at the picture's edge; without those of which
        less than a quarter is left. Turned over, left and right are swapped.
    """
    shown = turn_places(places, size_px) if change.turned else tuple(places)
    if not shown:
        return ()
    boxes = np.array([place.box for place in shown]) / size_px
    corners = np.stack([boxes[:, [row, col]] for row in (0, 1) for col in (2, 3)], axis=1)
    (rr, rc, r0), (cr, cc, c0) = change.matrix.tolist()
    back = np.array([[cc, -cr], [-rc, rr]]) / (rr * cc - rc * cr)  # inverse, transposed
    moved = (corners - (r0, c0)) @ back * size_px
    low, high = moved.min(axis=1), moved.max(axis=1)
    seen_low, seen_high = low.clip(0, size_px), high.clip(0, size_px)
    visible = (seen_high - seen_low).prod(axis=1) / (high - low).prod(axis=1)
    return tuple(
        replace(place, box=(top, bottom, left, right))
        for place, (top, left), (bottom, right), share in zip(
            shown, seen_low.tolist(), seen_high.tolist(), visible.tolist(), strict=True
        )
        if share >= _LEAST_VISIBLE
    )


def turn_places(places: Iterable[FindingPlace], size_px: int) -> tuple[FindingPlace, ...]:
    """Turn places over, their sides and the sides in their names with them.

    Args:
        places: Places in pixels of the square.
        size_px: Side of the square.
    """
    return tuple(
        replace(
            place,
            finding=swap_sides(place.finding) or place.finding,
            side=swap_sides(place.side) or place.side,
            box=(place.box[0], place.box[1], size_px - place.box[3], size_px - place.box[2]),
        )
        for place in places
    )

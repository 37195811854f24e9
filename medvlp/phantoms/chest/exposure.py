"""From densities to stored values: exposure, noise, collimation and the side marker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BITS", "expose", "stamp_marker"]

BITS = 12
"""Bits of a stored value."""

_LETTERS = {
    "L": ("1....", "1....", "1....", "1....", "1....", "1....", "11111"),
    "R": ("1111.", "1...1", "1...1", "1111.", "1.1..", "1..1.", "1...1"),
}


def expose(
    density: NDArray[np.float32], rng: np.random.Generator, marker: Literal["L", "R"]
) -> NDArray[np.uint16]:
    """Take the picture.

    Args:
        density: Densities ``(H, W)`` float32, about 0 to 1.
        rng: Source of chance.
        marker: Letter that lies on the detector: at the top, on the picture's right for ``L``.

    Returns:
        Values ``(H, W)`` uint16 below 4096, bright where dense.
    """
    gamma, gain = float(rng.uniform(0.85, 1.15)), float(rng.uniform(0.88, 1.08))
    offset = float(rng.uniform(-0.02, 0.05))
    noise = float(rng.uniform(0.008, 0.022))
    grain = rng.standard_normal(density.shape, dtype=np.float32)
    seen = offset + gain * np.maximum(density, 0) ** np.float32(gamma)
    seen += np.float32(noise) * (0.6 + density) * grain
    borders = np.zeros(4)
    if rng.uniform() < 0.45:
        borders = rng.uniform(0, 0.05, 4)
    top, bottom, left, right = (
        round(float(share) * density.shape[0 if number < 2 else 1])
        for number, share in enumerate(borders)
    )
    height, width = density.shape
    stamp_marker(seen, marker, (top, height - bottom, left, width - right), rng)
    seen[:top] = seen[height - bottom :] = 0.01
    seen[:, :left] = seen[:, width - right :] = 0.01
    top_value = 2**BITS - 1
    return np.asarray(np.clip(np.rint(seen * top_value), 0, top_value), dtype=np.uint16)


def stamp_marker(
    picture: NDArray[np.float32],
    letter: Literal["L", "R"],
    inside: tuple[int, int, int, int],
    rng: np.random.Generator,
) -> None:
    """Lay a letter of lead on the detector, at the top of the side that it names, in place.

    Args:
        picture: Picture ``(H, W)`` float32.
        letter: The letter.
        inside: First row, end of rows, first column, end of columns of what is exposed.
        rng: Source of chance.
    """
    top, bottom, left, right = inside
    scale = max(1, round((bottom - top) / 130))
    shape = np.array([[float(dot == "1") for dot in row] for row in _LETTERS[letter]])
    stamp = np.kron(shape, np.ones((scale, scale))).astype(np.float32)
    row = top + round((bottom - top) * float(rng.uniform(0.02, 0.06)))
    in_by = round((right - left) * float(rng.uniform(0.02, 0.06)))
    col = right - in_by - stamp.shape[1] if letter == "L" else left + in_by
    part = picture[row : row + stamp.shape[0], col : col + stamp.shape[1]]
    np.maximum(part, 0.97 * stamp, out=part)

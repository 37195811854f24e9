"""An X-ray as a network wants it and as a person wants to see it, from one reading of the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medvlp.io import content_sha256
from medvlp.radiographs.framing import Frame, frame_image
from medvlp.radiographs.reader import read_radiograph

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.radiographs.image import Radiograph

__all__ = ["SHOWN_PX", "FramedRadiograph", "read_framed"]

SHOWN_PX = 1024
"""Longer side of the picture that reports show; smaller ones stay as they are."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FramedRadiograph:
    """One X-ray, ready to be encoded and to be drawn.

    Attributes:
        image: What the file says of it; its pixels are those to be shown, ``(h, w)``, float32, in
            [0, 1], of at most ``SHOWN_PX`` on the longer side.
        shape: ``(H, W)`` of the pixels in the file.
        square: The input of a network, shape ``(S, S)``, float32, in [0, 1].
        frame: Where the shown picture lies in the square.
        content_sha256: Hash of the file's bytes.
    """

    image: Radiograph
    shape: tuple[int, int]
    square: NDArray[np.float32]
    frame: Frame
    content_sha256: str


def read_framed(
    path: Path, size_px: int, window: tuple[float, float] | None = None
) -> FramedRadiograph:
    """Read an X-ray once; meant to run in a worker process.

    Args:
        path: DICOM, PNG or JPEG.
        size_px: Side S of a network's input.
        window: ``(center, width)`` to show values in; None for what the file states.

    Raises:
        RadiographError: As :func:`medvlp.radiographs.reader.read_radiograph`.
    """
    found = read_radiograph(path, window=window)
    height, width = found.pixels.shape
    square, frame = frame_image(found.pixels, size_px)
    shown = found.pixels
    if max(height, width) > SHOWN_PX:
        framed, place = frame_image(found.pixels, SHOWN_PX)
        (top, left), (rows, columns) = place.offset, place.inner
        shown = np.ascontiguousarray(framed[top : top + rows, left : left + columns])
    return FramedRadiograph(
        image=replace(found, pixels=shown),
        shape=(height, width),
        square=square,
        frame=replace(frame, shape=(shown.shape[0], shown.shape[1])),
        content_sha256=content_sha256(path, companions=False),
    )

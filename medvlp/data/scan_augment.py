"""Change crops of scans at random without changing what they show; left stays left.

Place, size and turn of the crop are one trilinear interpolation from the stored margin; what lies
beyond is air. A crop is never mirrored: reports and labels name sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from scipy import ndimage

from medvlp.config.strict import StrictModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.data.scan_manifest import ScanPairsInfo

__all__ = ["ScanAugmentSettings", "augment_crop", "centre_crop"]

Share = Annotated[float, Field(ge=0, le=0.5)]


class ScanAugmentSettings(StrictModel):
    """How crops are changed in training; the defaults are those published for kidneys.

    Attributes:
        random_crop: Whether the model's input is cut from a random place of the stored crop, and
            not from its middle.
        translate: Largest shift within a slice, as a share of the crop's width and height.
        scale: Largest relative change of size within a slice.
        rotate_deg: Largest turn about each axis.
        intensity_scale: Largest relative change of brightness within the window.
        intensity_shift: Largest shift of brightness, as a share of the window.
        gamma: Range of the exponent of a change of contrast.
        gamma_probability: How often contrast is changed.
    """

    random_crop: bool = True
    translate: Share = 0.078
    scale: Share = 0.1
    rotate_deg: Annotated[float, Field(ge=0, le=45)] = 10.0
    intensity_scale: Share = 0.1
    intensity_shift: Share = 0.1
    gamma: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.5, 2.0)
    gamma_probability: Annotated[float, Field(ge=0, le=1)] = 0.5


def centre_crop(stored: NDArray[np.int16], info: ScanPairsInfo) -> NDArray[np.float32]:
    """Return the middle of a stored crop.

    Args:
        stored: Hounsfield units, shape ``info.stored_shape_zyx``, int16.
        info: What all crops have in common.

    Returns:
        Shape ``info.shape_zyx``, float32.
    """
    starts = [(have - want) // 2 for have, want in zip(stored.shape, info.shape_zyx, strict=True)]
    return _cut(stored, starts, info.shape_zyx)


def augment_crop(
    stored: NDArray[np.int16],
    settings: ScanAugmentSettings,
    info: ScanPairsInfo,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Change one crop.

    Args:
        stored: Hounsfield units, shape ``info.stored_shape_zyx``, int16; not changed itself.
        settings: How much.
        info: What all crops have in common.
        rng: Where randomness comes from; always gives the same number of draws.

    Returns:
        Hounsfield units, shape ``info.shape_zyx``, float32; clipped to the window where brightness
        is changed.

    Source:
        RenalCLIP (arXiv:2508.16569), augmentation of its training crops. There turns and sizes
        are in voxels of unequal edges; here they are in mm.
    """
    draws = rng.uniform(-1.0, 1.0, size=13)
    margins = [have - want for have, want in zip(stored.shape, info.shape_zyx, strict=True)]
    starts = [margin // 2 for margin in margins]
    if settings.random_crop:
        starts = [
            min(int((draw + 1) / 2 * (margin + 1)), margin)
            for draw, margin in zip(draws[:3], margins, strict=True)
        ]
    if settings.translate or settings.scale or settings.rotate_deg:
        hu = _moved(stored, settings, info, starts, draws[3:10])
    else:
        hu = _cut(stored, starts, info.shape_zyx)
    return _brightened(hu, settings, info.window_hu, draws[10:13], float(rng.uniform()))


def _cut(
    stored: NDArray[np.int16], starts: list[int], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    box = tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))
    return stored[box].astype(np.float32)


def _moved(
    stored: NDArray[np.int16],
    settings: ScanAugmentSettings,
    info: ScanPairsInfo,
    starts: list[int],
    draws: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Sample the crop that lies shifted, turned and stretched in the stored one."""
    spacing = np.asarray(info.spacing_mm)
    turn = _rotation(np.deg2rad(settings.rotate_deg) * draws[:3])
    size = 1.0 + settings.scale * np.asarray((0.0, draws[3], draws[4]))
    shift = settings.translate * np.asarray((0.0, draws[5], draws[6])) * np.asarray(info.shape_zyx)
    # Output voxel -> mm from its middle -> turned and stretched mm -> voxel of the stored crop.
    matrix = (turn / size) * spacing / spacing[:, None]
    middle = (np.asarray(info.shape_zyx) - 1) / 2.0
    offset = np.asarray(starts) + middle + shift - matrix @ middle
    moved: NDArray[np.float32] = ndimage.affine_transform(
        stored.astype(np.float32),
        matrix,
        offset,
        output_shape=info.shape_zyx,
        order=1,
        mode="constant",
        cval=info.air_hu,
        prefilter=False,
    )
    return moved


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the turn about z, y and x, in radians, for coordinates ``(z, y, x)``."""
    total = np.eye(3)
    for axis, angle in enumerate(angles):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        total = turn @ total
    return total


def _brightened(
    hu: NDArray[np.float32],
    settings: ScanAugmentSettings,
    window_hu: tuple[float, float],
    draws: NDArray[np.float64],
    chance: float,
) -> NDArray[np.float32]:
    has_gamma = chance < settings.gamma_probability
    if not (settings.intensity_scale or settings.intensity_shift or has_gamma):
        return hu
    low, high = np.float32(window_hu[0]), np.float32(window_hu[1])
    factor = np.float32(1.0 + settings.intensity_scale * draws[0])
    shift = np.float32(settings.intensity_shift * draws[1])
    values = np.clip((hu - low) / (high - low), np.float32(0), np.float32(1))
    values *= factor
    values += shift
    np.clip(values, 0, 1, out=values)
    if has_gamma:
        least, most = settings.gamma
        np.power(values, np.float32(least + (most - least) * (draws[2] + 1) / 2), out=values)
    changed: NDArray[np.float32] = values * (high - low) + low
    return changed

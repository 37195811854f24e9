"""Tell by its values whether a CT is in Hounsfield units: air near -1000, tissue near 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.volume import Finding, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.volume import VolumeSource

__all__ = ["check_hounsfield", "require_hounsfield", "sampled_volume"]

_SAMPLE = 200_000
_PADDING_BELOW_HU = -1500.0
_SHIFTED_SHARE = 0.05
_TISSUE_HU = (-250.0, 250.0)
_MOST_LABELS = 130
_LEAST_SHARE = 0.005
_BACKGROUND_SHARE = 0.25
_FAT_HU = -50.0
_AIR_HU = (-1100.0, -850.0)


def check_hounsfield(volume: Volume) -> Finding | None:
    """Look for values that were rescaled twice, not at all, or windowed to gray levels.

    A scan holds tissue within 250 HU of water, or air and lung below it. Values that spread below
    -1500, apart from one constant that fills the outside, mean an intercept applied twice; values
    that never reach down to fat mean stored values or windowed gray levels.

    Args:
        volume: A volume of any modality; those that say they are no CT are not judged.

    Returns:
        MV2237 (rescaled twice), MV2236 (no Hounsfield units), or None.
    """
    if volume.modality not in {"", "CT"}:
        return None
    values = _sample(volume.hu)
    text = _shifted(values)
    if text:
        return Finding("MV2237", text)
    text = _gray_levels(values[values >= _PADDING_BELOW_HU])
    return Finding("MV2236", text) if text else None


def require_hounsfield(name: str, volume: Volume) -> None:
    """Refuse a volume whose values are no Hounsfield units.

    Args:
        name: The scan, for the message.
        volume: Its values.

    Raises:
        VolumeError: MV2236 or MV2237.
    """
    found = check_hounsfield(volume)
    if found is not None:
        raise VolumeError(
            found.code,
            f"{name}: {found.text}",
            expected="air near -1000 HU and tissue near 0 HU",
            hint="convert the scan again from its DICOM series, with the rescale applied once",
        )


def sampled_volume(source: VolumeSource, planes: int = 32) -> Volume:
    """Return some whole planes of a scan, for checks of values that need not see all of it.

    Args:
        source: The scan.
        planes: How many planes, spread evenly over the scan.

    Returns:
        The planes stacked, with the geometry of the first ones: its positions mean nothing.

    Raises:
        VolumeError: What reading raises.
    """
    depth, height, width = source.geometry.shape_zyx
    places = sorted({round(at) for at in np.linspace(0, depth - 1, min(planes, depth))})
    if isinstance(source, GridSource):
        values = source.read_some(places)
    else:
        read = [source.read_region((z, 0, 0), (z + 1, height, width)) for z in places]
        values = cast("NDArray[np.int16] | NDArray[np.float32]", np.concatenate(read))
    geometry = replace(source.geometry, shape_zyx=(len(places), height, width))
    return Volume(values, geometry, source.modality)


def _sample(values: NDArray[np.int16] | NDArray[np.float32]) -> NDArray[np.float64]:
    """Return voxels of every part of the volume, at most some 200,000."""
    step = max(round((values.size / _SAMPLE) ** (1 / 3)), 1)
    taken = values[::step, ::step, ::step].ravel()
    return np.asarray(taken[np.isfinite(taken)], dtype=np.float64)


def _shifted(values: NDArray[np.float64]) -> str:
    """Say so where values spread below what padding can explain; padding is one constant."""
    low = values[values < _PADDING_BELOW_HU]
    if not len(low):
        return ""
    _, counts = np.unique(low, return_counts=True)
    spread = (len(low) - counts.max()) / len(values)
    if spread <= _SHIFTED_SHARE:
        return ""
    return (
        f"{spread:.0%} of the values spread below {_PADDING_BELOW_HU:g}, lowest {low.min():g}: "
        "the rescale seems to have been applied twice"
    )


def _gray_levels(body: NDArray[np.float64]) -> str:
    """Say so where values are labels, stored values or a picture."""
    if not len(body):
        return f"all values lie below {_PADDING_BELOW_HU:g}"
    lowest, highest = (float(value) for value in np.percentile(body, [0.5, 99.5]))
    labels = len(np.unique(body))
    if body.min() >= 0 and labels <= _MOST_LABELS and np.mean(body == 0) > _BACKGROUND_SHARE:
        return f"{labels} values from 0 to {body.max():g} look like a label map"
    tissue = np.mean((body >= _TISSUE_HU[0]) & (body <= _TISSUE_HU[1]))
    air = np.mean((body >= _AIR_HU[0]) & (body <= _AIR_HU[1]))
    if tissue < _LEAST_SHARE and air < _LEAST_SHARE:
        return f"hardly a value lies near tissue or air; they run from {lowest:g} to {highest:g}"
    if lowest >= _FAT_HU and highest > _TISSUE_HU[1] / 2:
        return f"no value lies at fat or air; they run from {lowest:g} to {highest:g}"
    return ""

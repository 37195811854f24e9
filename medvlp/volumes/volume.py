"""A scan in memory or on disk: values, where they lie, and what was noticed about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medvlp.volumes.geometry import VolumeGeometry

__all__ = ["Finding", "Volume", "VolumeSource"]


@dataclass(frozen=True)
class Finding:
    """Something noticed about a scan that does not forbid reading it.

    Attributes:
        code: Code of the error catalogue that explains it.
        text: What was noticed, with values; never text from DICOM tags.
    """

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan in memory.

    Attributes:
        hu: Values, shape ``(Z, Y, X)``, int16 or float32; Hounsfield units where the modality is
            CT, else the values that the file declares, rescaled once.
        geometry: Where the voxels lie.
        modality: DICOM's word, such as ``CT``; empty where the format does not tell.
        findings: What was noticed while reading.
        phase: Contrast phase that the header hints at (``arterial``, ...), or an empty string.
    """

    hu: NDArray[np.int16] | NDArray[np.float32]
    geometry: VolumeGeometry
    modality: str = "CT"
    findings: tuple[Finding, ...] = field(default=())
    phase: str = ""

    def __post_init__(self) -> None:
        """Refuse values that do not fit the geometry."""
        if self.hu.shape != self.geometry.shape_zyx:
            raise ValueError(
                f"values have shape {self.hu.shape}, the geometry {self.geometry.shape_zyx}"
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of voxel centres along ``(z, y, x)``, in mm."""
        return self.geometry.spacing_zyx_mm

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vectors, in LPS, of steps along x, y, z of the array, as columns."""
        return self.geometry.direction

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """Centre of voxel ``(0, 0, 0)`` as ``(x, y, z)`` in LPS, in mm."""
        return self.geometry.origin_lps_mm

    @property
    def geometry_sha256(self) -> str:
        """Hash of shape, spacing, direction and origin."""
        return self.geometry.geometry_sha256

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return a box of values; a volume in memory serves wherever a source does."""
        box = tuple(slice(low, high) for low, high in zip(start_zyx, stop_zyx, strict=True))
        return self.hu[box]

    def read(self) -> Volume:
        """Return the volume itself."""
        return self

    def oriented(self, codes: str) -> Volume:
        """Return the same voxels with axes that run as ``codes`` says; a view, no resampling.

        Args:
            codes: The sides towards which x, y, z of the array shall grow, such as ``LPS``.
        """
        order = self.geometry.axis_order(codes)
        geometry = self.geometry.reordered(order)
        values = cast("NDArray[np.int16] | NDArray[np.float32]", order.apply(self.hu))
        return replace(self, hu=values, geometry=geometry)


@runtime_checkable
class VolumeSource(Protocol):
    """A scan whose geometry is known and whose values are read box by box."""

    @property
    def geometry(self) -> VolumeGeometry:
        """Where the voxels lie."""

    @property
    def modality(self) -> str:
        """DICOM's word for the modality, or an empty string."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed while the header was read."""

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return the values of a box inside the volume; other parts are not kept in memory."""

    def read(self) -> Volume:
        """Return the whole volume."""

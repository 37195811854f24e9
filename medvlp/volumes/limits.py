"""How much a scan from an untrusted place may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from medvlp.errors import VolumeError
from medvlp.io.reading_rules import ReadingRules, format_bytes

__all__ = ["VolumeLimits"]


@dataclass(frozen=True, kw_only=True)
class VolumeLimits:
    """Caps of bytes, counts and ratios; the defaults leave room for every clinical scan."""

    volume_bytes: int = 2 * 2**30
    """Largest volume, in bytes, as stored in the file and as held in memory."""

    inflate_floor_bytes: int = 64 * 2**20
    """Compressed data may grow up to this many bytes whatever the ratio: blank slices do."""

    inflate_ratio: float = 200.0
    """Beyond the floor, largest ratio of inflated to compressed bytes; real scans stay below 20."""

    header_bytes: int = 64 * 2**20
    """Largest header of a file, in bytes."""

    frame_px: int = 4096 * 4096
    """Largest number of pixels of one slice."""

    series_slices: int = 20_000
    """Largest number of slices of one series."""

    archive_files: int = 50_000
    """Largest number of files in an archive."""

    archive_bytes: int = 16 * 2**30
    """Largest sum of the unpacked files of an archive, in bytes."""

    tree_files: int = 1_000_000
    """Largest number of files looked at in a folder."""

    def check_volume(self, name: str, voxels: int, itemsize: int) -> None:
        """Refuse a volume that is too large before any memory is taken for it.

        Args:
            name: The file or series, for the message.
            voxels: Number of voxels that the header declares.
            itemsize: Bytes per voxel.

        Raises:
            VolumeError: MV2203.
        """
        if voxels * itemsize > self.volume_bytes:
            raise VolumeError(
                "MV2203",
                f"{name} declares {voxels} voxels, {format_bytes(voxels * itemsize)}",
                expected=f"at most {format_bytes(self.volume_bytes)}",
            )

    @property
    def rules(self) -> ReadingRules:
        """These caps, with the codes of scans, for what is read in the same way elsewhere."""
        return ReadingRules(
            error=VolumeError,
            unreadable="MV2200",
            cut_off="MV2202",
            too_large="MV2203",
            damaged="MV2207",
            undecodable="MV2212",
            data_bytes=self.volume_bytes,
            header_bytes=self.header_bytes,
            inflate_floor_bytes=self.inflate_floor_bytes,
            inflate_ratio=self.inflate_ratio,
        )

    def inflated_cap(self, packed_bytes: int) -> int:
        """Return how many bytes may come out of so many compressed ones."""
        return self.rules.inflated_cap(packed_bytes)

    def check_inflated(self, name: str, inflated_bytes: int, packed_bytes: int) -> None:
        """Refuse compressed data that grow beyond the cap.

        Raises:
            VolumeError: MV2203.
        """
        self.rules.check_inflated(name, inflated_bytes, packed_bytes)

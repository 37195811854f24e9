"""How much a scan from an untrusted place may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from medvlp.errors import VolumeError

__all__ = ["VolumeLimits", "format_bytes"]


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

    def inflated_cap(self, packed_bytes: int) -> int:
        """Return how many bytes may come out of so many compressed ones."""
        by_ratio = int(packed_bytes * self.inflate_ratio)
        return min(self.volume_bytes, max(self.inflate_floor_bytes, by_ratio))

    def check_inflated(self, name: str, inflated_bytes: int, packed_bytes: int) -> None:
        """Refuse compressed data that grow beyond the cap.

        Raises:
            VolumeError: MV2203.
        """
        if inflated_bytes > self.inflated_cap(packed_bytes):
            raise VolumeError(
                "MV2203",
                f"{name} grows from {format_bytes(packed_bytes)} to more than "
                f"{format_bytes(self.inflated_cap(packed_bytes))}",
                expected=f"a ratio below {self.inflate_ratio:g} and at most "
                f"{format_bytes(self.volume_bytes)}",
                hint="a scan does not compress like this; check where the file comes from",
            )


def format_bytes(count: int) -> str:
    """Return a byte count as people write it, such as ``1.5 GiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"

"""How much an X-ray from an untrusted place may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from medvlp.errors import RadiographError
from medvlp.io.reading_rules import ReadingRules, format_bytes

__all__ = ["RadiographLimits"]


@dataclass(frozen=True, kw_only=True)
class RadiographLimits:
    """Caps of bytes, pixels and ratios; the defaults leave room for every clinical X-ray."""

    file_bytes: int = 512 * 2**20
    """Largest file, in bytes; a detector of 4300 x 4300 pixels makes 37 MB."""

    image_px: int = 64 * 2**20
    """Largest number of pixels of one picture."""

    smallest_px: int = 32
    """Shortest side that still shows anything, in pixels."""

    header_bytes: int = 64 * 2**20
    """Largest DICOM header, in bytes."""

    inflate_floor_bytes: int = 64 * 2**20
    """A deflated DICOM file may grow to this many bytes whatever the ratio."""

    inflate_ratio: float = 200.0
    """Beyond the floor, largest ratio of inflated to deflated bytes."""

    @property
    def rules(self) -> ReadingRules:
        """These caps, with the codes of X-rays, for what is read in the same way elsewhere."""
        return ReadingRules(
            error=RadiographError,
            unreadable="MV2400",
            cut_off="MV2402",
            too_large="MV2403",
            damaged="MV2404",
            undecodable="MV2410",
            data_bytes=self.file_bytes,
            header_bytes=self.header_bytes,
            inflate_floor_bytes=self.inflate_floor_bytes,
            inflate_ratio=self.inflate_ratio,
        )

    def check_file(self, name: str, count_bytes: int) -> None:
        """Refuse a file before it is read.

        Args:
            name: The file, for the message.
            count_bytes: Its size.

        Raises:
            RadiographError: MV2402 if it is empty, MV2403 if it is too large.
        """
        if not count_bytes:
            raise RadiographError(
                "MV2402", f"{name} is empty (0 bytes)", hint="copy the file again"
            )
        if count_bytes > self.file_bytes:
            raise RadiographError(
                "MV2403",
                f"{name} has {format_bytes(count_bytes)}",
                expected=f"at most {format_bytes(self.file_bytes)}",
            )

    def check_size(self, name: str, rows: int, columns: int) -> None:
        """Refuse a picture by its stated size, before any pixel is decoded.

        Args:
            name: The file, for the message.
            rows: Rows that its header states.
            columns: Columns that its header states.

        Raises:
            RadiographError: MV2403 (too large) or MV2408 (too small to show anything).
        """
        if rows * columns > self.image_px:
            raise RadiographError(
                "MV2403",
                f"{name} declares {rows} x {columns} pixels",
                expected=f"at most {self.image_px}",
                hint="an X-ray has far fewer; check where the file comes from",
            )
        if min(rows, columns) < self.smallest_px:
            raise RadiographError(
                "MV2408",
                f"{name} has {rows} x {columns} pixels",
                expected=f"at least {self.smallest_px} along each side",
                hint="icons and thumbnails are no X-rays; give the picture itself",
            )

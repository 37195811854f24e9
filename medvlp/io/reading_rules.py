"""What a reader of files from untrusted places allows, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.errors import MedvlpError

__all__ = ["ReadingRules", "format_bytes", "read_bytes"]


@dataclass(frozen=True, kw_only=True)
class ReadingRules:
    """Caps and refusals that the parts shared between readers take from their caller.

    Attributes:
        error: Class of the errors.
        unreadable: Code for a file that the system does not give out.
        cut_off: Code for data that end too early.
        too_large: Code for what goes beyond a cap.
        damaged: Code for a header that cannot be parsed.
        undecodable: Code for compressed pixels that do not decode.
        data_bytes: Most bytes that compressed data may grow to.
        header_bytes: Largest header, in bytes.
        inflate_floor_bytes: Compressed data may grow to this whatever the ratio.
        inflate_ratio: Beyond the floor, largest ratio of inflated to compressed bytes.
    """

    error: type[MedvlpError]
    unreadable: str
    cut_off: str
    too_large: str
    damaged: str
    undecodable: str
    data_bytes: int
    header_bytes: int
    inflate_floor_bytes: int
    inflate_ratio: float

    def inflated_cap(self, packed_bytes: int) -> int:
        """Return how many bytes may come out of so many compressed ones."""
        by_ratio = int(packed_bytes * self.inflate_ratio)
        return min(self.data_bytes, max(self.inflate_floor_bytes, by_ratio))

    def check_inflated(self, name: str, inflated_bytes: int, packed_bytes: int) -> None:
        """Refuse compressed data that grow beyond the cap.

        Args:
            name: The file, for the message.
            inflated_bytes: Bytes that have come out so far.
            packed_bytes: Bytes of the compressed data.

        Raises:
            MedvlpError: Of the class and code for what is too large.
        """
        if inflated_bytes > self.inflated_cap(packed_bytes):
            raise self.error(
                self.too_large,
                f"{name} grows from {format_bytes(packed_bytes)} to more than "
                f"{format_bytes(self.inflated_cap(packed_bytes))}",
                expected=f"a ratio below {self.inflate_ratio:g} and at most "
                f"{format_bytes(self.data_bytes)}",
                hint="a scan does not compress like this; check where the file comes from",
            )


def read_bytes(path: Path, count: int, rules: ReadingRules, offset: int = 0) -> bytes:
    """Return up to ``count`` bytes of a file from ``offset`` on.

    Args:
        path: The file.
        count: Number of bytes.
        rules: How to refuse.
        offset: First byte.

    Raises:
        MedvlpError: Of the rules' class and code if the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(count)
    except OSError as error:
        raise rules.error(
            rules.unreadable,
            f"{path.name} cannot be read: {error.strerror}",
            hint="check that the file is still there and that you may read it",
        ) from error


def format_bytes(count: int) -> str:
    """Return a byte count as people write it, such as ``1.5 GiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"

"""The table of a folder of radiographs: which picture is whose, and what is known of it.

``samples.parquet`` has one row per picture; ``radiograph_pairs.json`` says what all have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.errors import DataError, nearest_name
from medvlp.radiographs.framing import Box, Frame

__all__ = [
    "SAMPLES_SCHEMA",
    "VIEWS",
    "FindingPlace",
    "RadiographPairsInfo",
    "RadiographPairsManifest",
    "RadiographRow",
]

INFO_FILE, SAMPLES_FILE, IMAGES_FILE = "radiograph_pairs.json", "samples.parquet", "images.b2nd"
BOOK_FILE = "findings.yaml"

VIEWS = ("PA", "AP", "LATERAL", "")
"""Directions of the beam; empty where it is not known."""

_BOX = pa.struct(
    [
        ("finding", pa.string()),
        ("side", pa.string()),
        *((name, pa.float32()) for name in ("row0", "row1", "col0", "col1")),
    ]
)

SAMPLES_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("image", pa.int64()),
        ("image_crc32", pa.int64()),
        ("patient", pa.string()),
        ("view", pa.string()),
        ("height_px", pa.int64()),
        ("width_px", pa.int64()),
        ("split", pa.string()),
        ("report", pa.string()),
        ("report_group", pa.int64()),
        ("turned_group", pa.int64()),
        ("labels", pa.map_(pa.string(), pa.int64())),
        ("boxes", pa.list_(_BOX)),
        ("notes", pa.string()),
    ]
)
"""Columns of ``samples.parquet``, in their order. ``image`` is the row of the array; ``patient`` a
hash of the patient's name; ``view`` one of :data:`VIEWS`; ``height_px`` and ``width_px`` the size
of the picture before it was framed; ``report`` its text, empty where there is none;
``report_group`` the number of what it says in the folder, ``turned_group`` that of the text that it
becomes when left and right are swapped, -1 where there is none; ``labels`` maps findings to 1
present, 0 absent, -1 uncertain, and lacks those that are not mentioned; ``boxes`` are places of
findings in pixels of the square; ``notes`` what the reader noticed."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RadiographPairsInfo(StrictModel):
    """What all pictures of a folder have in common.

    Attributes:
        format_version: Version of this layout.
        size_px: Side of the square that every picture was framed in.
        bits: Bits of a stored gray level; all of them are used.
        findings: Names of the findings that labels may be about, in order.
        book_name: Name of the book of findings that the names are from.
        book_sha256: Hash of its content; empty where the names are from no book.
        schema_name: The rules that read labels from reports; empty where none were read.
        samples_sha256: Hash of the table's bytes.
        images_sha256: Hash of the array's bytes.
        images_bytes: Size of the array's file.
        counts: What was counted when the folder was written.
        medvlp_version: What wrote it.
    """

    format_version: Literal[1] = 1
    size_px: Annotated[int, Field(ge=8, le=4096)]
    bits: Literal[8, 16] = 8
    findings: tuple[str, ...]
    book_name: str = ""
    book_sha256: str = ""
    schema_name: str = ""
    samples_sha256: Sha256
    images_sha256: Sha256
    images_bytes: Annotated[int, Field(ge=1)]
    counts: dict[str, int] = Field(default_factory=dict)
    medvlp_version: str = ""

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Kind of numbers that gray levels are stored as."""
        return np.uint8 if self.bits == 8 else np.uint16


@dataclass(frozen=True, kw_only=True)
class FindingPlace:
    """Where a finding is in the square.

    Attributes:
        finding: Its name.
        side: ``left`` or ``right`` of the patient, ``both``, or empty where it has no side.
        box: ``(row0, row1, col0, col1)`` in pixels of the square, continuous from its edge.
    """

    finding: str
    side: str
    box: Box


@dataclass(frozen=True, kw_only=True)
class RadiographRow:
    """One picture as the table lists it; see :data:`SAMPLES_SCHEMA`.

    Attributes:
        sample_id: Its name.
        image: Row of the array.
        image_crc32: Checksum of its values.
        patient: Hash of the patient's name.
        view: Direction of the beam, empty where not known.
        shape: ``(H, W)`` before framing.
        split: Part of the folder; all pictures of a patient are in one.
        report: The report; may be empty.
        report_group: Number of that text in the folder; -1 where there is none.
        turned_group: Number of the text that it becomes when left and right are swapped; -1 where
            there is none, or it cannot be swapped.
        labels: Finding -> 1, 0 or -1; lacks those that are not mentioned.
        places: Where findings are, if that is known.
    """

    sample_id: str
    image: int
    image_crc32: int
    patient: str
    view: str
    shape: tuple[int, int]
    split: str
    report: str
    report_group: int
    turned_group: int
    labels: dict[str, int]
    places: tuple[FindingPlace, ...] = ()

    @property
    def captions(self) -> tuple[str, ...]:
        """The report, as the one text of this picture; none where there is no report."""
        return (self.report,) if self.report else ()

    def frame(self, size_px: int) -> Frame:
        """Return where the picture lies in its square.

        Args:
            size_px: Side of the square.
        """
        return Frame.of(self.shape, size_px)


@dataclass(frozen=True, kw_only=True)
class RadiographPairsManifest:
    """A folder of radiographs, its array not yet read.

    Attributes:
        folder: Where it is.
        info: What all pictures have in common.
        splits: Split -> its pictures, in the order of the table.
        patients: Hashes of all patients, in order; a batch names them by their place.
    """

    folder: Path
    info: RadiographPairsInfo
    splits: dict[str, tuple[RadiographRow, ...]]
    patients: tuple[str, ...]

    @cached_property
    def num_images(self) -> int:
        """Number of pictures of all splits."""
        return sum(len(rows) for rows in self.splits.values())

    def rows(self, split: str) -> tuple[RadiographRow, ...]:
        """Return the pictures of a split.

        Raises:
            DataError: If there is none (MV1791).
        """
        if not self.splits.get(split):
            raise DataError(
                "MV1791",
                f"{self.folder} has no pictures in split {split!r}",
                expected=f"one of {sorted(self.splits)}",
            )
        return self.splits[split]

    def reports(self, split: str) -> tuple[str, ...]:
        """Return the different reports of a split, in order of appearance.

        Raises:
            DataError: If there is no picture (MV1791).
        """
        return tuple(dict.fromkeys(row.report for row in self.rows(split) if row.report))

    def check_findings(self, names: tuple[str, ...]) -> None:
        """Refuse names of findings that no label of the folder can be about, and names said twice.

        Args:
            names: Names of findings.

        Raises:
            DataError: MV1795, with the nearest name.
        """
        known = self.info.findings
        for name in names:
            if name not in known or names.count(name) > 1:
                is_twice = name in known
                raise DataError(
                    "MV1795",
                    f"finding {name!r} is asked for twice"
                    if is_twice
                    else f"{self.folder} knows no finding {name!r}{nearest_name(name, known)}",
                    expected=f"names out of {list(known)}",
                )

"""The table of a folder of crops: which crop is whose, and what is known of it.

``samples.parquet`` has one row per crop; ``scan_pairs.json`` says what all crops have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import DataError
from medvlp.types import TensorAxes, VolumePreprocessing

if TYPE_CHECKING:
    from typing import Self

__all__ = ["PHASES", "SAMPLES_SCHEMA", "ScanPairsInfo", "ScanPairsManifest", "ScanRow"]

INFO_FILE, SAMPLES_FILE, CROPS_FILE = "scan_pairs.json", "samples.parquet", "crops.b2nd"

PHASES = ("A", "V", "D", "N")
"""Contrast phases in the order in which one is taken where only one is wanted: arterial, venous,
delayed, none."""

SAMPLES_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("crop", pa.int64()),
        ("crop_crc32", pa.int64()),
        ("patient", pa.string()),
        ("side", pa.string()),
        ("phase", pa.string()),
        ("split", pa.string()),
        ("report", pa.string()),
        ("report_origin", pa.string()),
        ("attributes", pa.map_(pa.string(), pa.int64())),
        ("malignant", pa.int64()),
        ("months", pa.float32()),
        ("event", pa.int64()),
        ("volume_ml", pa.float32()),
        ("padded_share", pa.float32()),
        ("findings", pa.string()),
    ]
)
"""Columns of ``samples.parquet``, in their order. ``crop`` is the row of the array; ``patient`` a
hash of the patient's name; ``report`` the cleaned text about this side, empty where there is no
report; ``report_origin`` is ``stated``, ``silent`` (the report says nothing of this side) or
``none``; ``attributes`` maps names to classes, -1 not stated; ``months`` is NaN, ``malignant`` and
``event`` are -1 where not known; ``findings`` are codes of what was noticed on the scan."""

Size = Annotated[int, Field(ge=1, le=4096)]
Millimetres = Annotated[float, Field(gt=0, le=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ScanPairsInfo(StrictModel):
    """What all crops of a folder have in common.

    Attributes:
        format_version: Version of this layout.
        region: The organ that crops hold.
        structures: Labels whose bounding box the crops are centred on.
        spacing_mm: Distance of voxels along ``(z, y, x)``.
        shape_zyx: Voxels that the model sees.
        stored_shape_zyx: Voxels that are stored; what is more is the margin of random crops.
        orientation: Sides towards which x, y and z grow.
        axes: Order in which the axes are handed to the network.
        window_hu: The window in which brightness is changed in training, and that models see.
        air_hu: Value of places outside the scan.
        attributes: Attribute -> names of its classes, in the order of the heads.
        schema_name: Where the attributes come from.
        samples_sha256: Hash of the table's bytes.
        crops_sha256: Hash of the array's bytes.
        crops_bytes: Size of the array's file.
        counts: What was counted when the folder was written.
        medvlp_version: What wrote it.
    """

    format_version: Literal[1] = 1
    region: str
    structures: tuple[str, ...]
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres]
    shape_zyx: tuple[Size, Size, Size]
    stored_shape_zyx: tuple[Size, Size, Size]
    orientation: Annotated[str, Field(pattern=r"^[LRAPSI]{3}$")] = "LPS"
    axes: TensorAxes = "zyx"
    window_hu: tuple[float, float]
    air_hu: float = -1000.0
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    schema_name: str = ""
    samples_sha256: Sha256
    crops_sha256: Sha256
    crops_bytes: Annotated[int, Field(ge=1)]
    counts: dict[str, int] = Field(default_factory=dict)
    medvlp_version: str = ""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        pairs = zip(self.stored_shape_zyx, self.shape_zyx, strict=True)
        if any(stored < seen for stored, seen in pairs):
            raise rule_error(
                "MV1720",
                f"crops of {self.stored_shape_zyx} do not hold the {self.shape_zyx} of the model",
                expected="stored crops at least as large along each axis",
                at="stored_shape_zyx",
            )
        low, high = self.window_hu
        if not low < high:
            raise rule_error(
                "MV1720", f"window_hu {self.window_hu} does not rise", expected="low, high"
            )
        return self

    @property
    def preprocessing(self) -> VolumePreprocessing:
        """How a scan becomes what the model sees; the margin is no part of it."""
        return VolumePreprocessing(
            spacing_mm=self.spacing_mm,
            shape_zyx=self.shape_zyx,
            orientation=self.orientation,
            axes=self.axes,
            window_hu=self.window_hu,
            air_hu=self.air_hu,
            region=self.region,
        )


@dataclass(frozen=True, kw_only=True)
class ScanRow:
    """One crop as the table lists it; see :data:`SAMPLES_SCHEMA`.

    Attributes:
        sample_id: Its name.
        crop: Row of the array.
        crop_crc32: Checksum of its values.
        patient: Hash of the patient's name.
        side: Side of the patient.
        phase: Contrast phase.
        split: Part of the folder; all crops of a patient are in one.
        report: What the report says of this side; may be empty.
        report_group: Number of that text in the folder; -1 where there is none.
        attributes: Class of each attribute in the order of the folder's, -1 not stated.
        malignant: 0, 1, or -1 where not known.
        months: Follow-up, NaN where not known.
        event: 0, 1, or -1 where not known.
    """

    sample_id: str
    crop: int
    crop_crc32: int
    patient: str
    side: Literal["left", "right"]
    phase: str
    split: str
    report: str
    report_group: int
    attributes: tuple[int, ...]
    malignant: int
    months: float
    event: int

    @property
    def captions(self) -> tuple[str, ...]:
        """The report, as the one text of this crop."""
        return (self.report,)


@dataclass(frozen=True, kw_only=True)
class ScanPairsManifest:
    """A folder of crops, its array not yet read.

    Attributes:
        folder: Where it is.
        info: What all crops have in common.
        splits: Split -> its crops, in the order of the table.
        patients: Names of all patients, in order; a batch names them by their place.
    """

    folder: Path
    info: ScanPairsInfo
    splits: dict[str, tuple[ScanRow, ...]]
    patients: tuple[str, ...]

    def rows(self, split: str) -> tuple[ScanRow, ...]:
        """Return the crops of a split.

        Raises:
            DataError: If there is none (MV1721).
        """
        if not self.splits.get(split):
            raise DataError(
                "MV1721",
                f"{self.folder} has no crops in split {split!r}",
                expected=f"one of {sorted(self.splits)}",
            )
        return self.splits[split]

    def kidneys(self, split: str) -> tuple[tuple[ScanRow, ...], ...]:
        """Return the crops of a split by patient and side: each holds the phases of one organ.

        Raises:
            DataError: If there is none (MV1721).
        """
        found: dict[tuple[str, str], list[ScanRow]] = {}
        for row in self.rows(split):
            found.setdefault((row.patient, row.side), []).append(row)
        return tuple(tuple(rows) for rows in found.values())

    def reports(self, split: str) -> tuple[str, ...]:
        """Return the different reports of a split, in order of appearance.

        Raises:
            DataError: If there is no crop (MV1721).
        """
        return tuple(dict.fromkeys(row.report for row in self.rows(split) if row.report))

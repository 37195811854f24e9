"""Radiographs, reports and labels to a folder of framed pictures to train from.

Command: python -m preprocessing.prepare_radiographs configs/preprocess/radiographs.yaml manifest=M
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.io import check_output_folder
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.pipelines.radiograph_findings import plan_labels
from medvlp.pipelines.radiograph_rows import read_training_radiographs
from medvlp.pipelines.training_radiographs import RadiographSettings, prepare_radiographs

__all__ = ["PrepareRadiographsConfig", "main"]


class PrepareRadiographsConfig(StrictModel):
    """What to prepare, where to, and how."""

    manifest: Path
    """CSV or Parquet: path, patient_id, split; optional case_id, view, frame, report, or findings
    and impression, and columns of labels (1, 0, -1, or empty)."""
    out: Path
    """Output folder; the same command goes on after a stop."""
    size_px: Annotated[int, Field(ge=32, le=2048)] = 256
    """Side of the square that pictures are framed in, aspect kept."""
    bits: Literal[8, 16] = 8
    """Bits of a stored gray level."""
    book: Path | None = None
    """Book of findings; null for the one that comes with the package."""
    label_columns: dict[str, str] = Field(default_factory=dict)
    """Finding of the book -> column of its labels, which goes before what the report says."""
    labels_from_reports: bool = True
    """Whether labels are read from reports by rules, for all findings of the book."""
    patient_salt: str = ""
    """Put before patients' names when they are hashed; keep it secret to keep them so."""
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that read pictures; on several nodes, start the same command on each."""


def main(config: PrepareRadiographsConfig) -> JobReport:
    """Frame every radiograph of the manifest."""
    check_output_folder(config.out)
    labels = plan_labels(config.book, config.label_columns, read_reports=config.labels_from_reports)
    rows = read_training_radiographs(
        config.manifest,
        label_columns=labels.columns,
        labeller=labels.labeller,
        salt=config.patient_salt,
    )
    settings = RadiographSettings(
        size_px=config.size_px,
        bits=config.bits,
        findings=labels.findings,
        book=labels.book_text,
        book_name=labels.book.name,
        book_sha256=labels.book.content_sha256,
        schema_name=labels.schema_name,
    )
    with Progress(len(rows), "radiographs", label="Framing") as progress:
        return prepare_radiographs(
            rows,
            settings,
            config.out,
            progress=progress,
            lease=LeaseSettings(),
            processes=config.processes,
        )


if __name__ == "__main__":
    raise SystemExit(run(main, PrepareRadiographsConfig))

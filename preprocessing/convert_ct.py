"""DICOM series, NIfTI, NRRD and MetaImage scans to int16 volumes in chunks, with a manifest.

Command: python -m preprocessing.convert_ct configs/preprocess/ct.yaml source=SCANS out=OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.io import check_output_folder
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.pipelines.convert_scans import ConvertSettings, convert_scans, discover_scans

__all__ = ["ConvertCtConfig", "main"]


class ConvertCtConfig(StrictModel):
    """What to convert, where to, and how."""

    source: Path
    """A folder, zip or file with scans of any format."""
    out: Path
    """Output folder; the same command goes on after a stop."""
    exclude: tuple[str, ...] = ()
    """Patterns of names that are left out, such as '*seg*'; with a '/', of whole paths."""
    irregular: Literal["refuse", "resample"] = "refuse"
    """What becomes of missing, uneven or leaning slices."""
    require_hounsfield: bool = True
    """Whether values that are no Hounsfield units are refused."""


def main(config: ConvertCtConfig) -> JobReport:
    """Convert every scan of the configuration."""
    check_output_folder(config.out)
    settings = ConvertSettings(
        exclude=config.exclude,
        irregular=config.irregular,
        require_hounsfield=config.require_hounsfield,
    )
    with (
        discover_scans(config.source, settings) as discovery,
        Progress(len(discovery.scans), "scans", label="Converting") as progress,
    ):
        return convert_scans(
            discovery, settings, config.out, progress=progress, lease=LeaseSettings()
        )


if __name__ == "__main__":
    raise SystemExit(run(main, ConvertCtConfig))

"""Open the scan of a case again from its files, in a worker process or wherever it is needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.io import content_sha256, json_sha256
from medvlp.volumes.dicom_reader import IrregularChoice
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.reader import choose_volume, damaged_neighbours, open_found
from medvlp.volumes.series import FoundSeries, SeriesTree, gather_series, look_at_file, series_tree
from medvlp.volumes.volume import Finding, Volume, VolumeSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medvlp.types import Case

__all__ = ["OpenedScan", "case_content_sha256", "opened_case", "read_case_volume"]

_DEFAULT_LIMITS = VolumeLimits()


@dataclass(frozen=True, eq=False)
class OpenedScan:
    """The scan of a case, ready to be read.

    Attributes:
        source: Its values, read box by box.
        found: Its series.
        findings: What was noticed while it was found and opened.
    """

    source: VolumeSource
    found: FoundSeries
    findings: tuple[Finding, ...]


@contextmanager
def opened_case(
    case: Case,
    *,
    irregular: IrregularChoice = "refuse",
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> Iterator[OpenedScan]:
    """Open the scan of a case.

    Args:
        case: The case; its files are read again, so that nothing else must travel to a worker.
        irregular: What to do with missing, uneven or leaning slices: ``refuse`` or ``resample``.
        limits: Caps of size.

    Yields:
        The scan, readable inside the ``with`` block.

    Raises:
        VolumeError: MV2200 to MV2237, see :func:`medvlp.volumes.reader.open_volume`.
    """
    with _case_tree(case, limits) as tree:
        chosen = choose_volume(case.path, tree, name=case.series)
        source = open_found(chosen, irregular=irregular, limits=limits)
        told = damaged_neighbours(case.path, tree, chosen)
        yield OpenedScan(source, chosen, (*source.findings, *told))


def read_case_volume(case: Case, irregular: IrregularChoice = "refuse") -> Volume:
    """Read the scan of a case whole; meant for a worker process.

    Args:
        case: The case.
        irregular: What to do with missing, uneven or leaning slices.

    Raises:
        VolumeError: See :func:`opened_case`.
    """
    with opened_case(case, irregular=irregular) as scan:
        return scan.source.read()


def case_content_sha256(case: Case) -> str:
    """Hash the bytes of all files of a scan, in whatever order they were found.

    Args:
        case: The case.

    Raises:
        MedvlpError: MV1101 where a file is missing or cannot be read.
    """
    own = content_sha256(case.path, companions=False)
    if not case.companions and not case.series:
        return own
    parts = [own, *(content_sha256(part, companions=False) for part in case.companions)]
    return json_sha256([*sorted(parts), case.series])


@contextmanager
def _case_tree(case: Case, limits: VolumeLimits) -> Iterator[SeriesTree]:
    if case.companions:
        files = (case.path, *case.companions)
        folder = Path(os.path.commonpath([file.parent for file in files]))
        yield gather_series((look_at_file(file, limits) for file in files), folder)
    else:
        with series_tree(case.path, limits) as tree:
            yield tree

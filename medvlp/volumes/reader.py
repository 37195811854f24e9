"""Open a scan of any format: a file, a folder with one series, a zip, or one series of a tree."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_reader import IrregularChoice, open_series
from medvlp.volumes.hounsfield import check_hounsfield
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.metaimage_reader import open_metaimage
from medvlp.volumes.nifti_reader import open_nifti
from medvlp.volumes.nrrd_reader import open_nrrd
from medvlp.volumes.series import FoundSeries, SeriesTree, series_tree
from medvlp.volumes.store import open_stored
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from medvlp.volumes.volume import Volume, VolumeSource

__all__ = [
    "choose_volume",
    "damaged_neighbours",
    "open_found",
    "open_volume",
    "read_volume",
]

_CT_ONLY = ("CT",)
_DAMAGED = frozenset({"MV2200", "MV2202", "MV2207"})
_DEFAULT_LIMITS = VolumeLimits()


def open_found(
    found: FoundSeries,
    *,
    modalities: Collection[str] = _CT_ONLY,
    irregular: IrregularChoice = "refuse",
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> VolumeSource:
    """Open a series that :func:`medvlp.volumes.series.find_series` found.

    Args:
        found: The series.
        modalities: DICOM's words for what is accepted; formats that do not tell always are.
        irregular: What to do with missing, uneven or leaning slices: ``refuse`` or ``resample``.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 to MV2237, see the readers.
    """
    if found.format == "dicom":
        return open_series(
            found.name, found.headers, modalities=modalities, irregular=irregular, limits=limits
        )
    if found.format == "nrrd":
        return open_nrrd(found.path, limits=limits)
    if found.format == "metaimage":
        return open_metaimage(found.path, limits=limits)
    if found.format == "stored":
        return open_stored(found.path, limits=limits)
    return open_nifti(found.path, limits=limits)


@contextmanager
def open_volume(
    path: Path,
    *,
    modalities: Collection[str] = _CT_ONLY,
    irregular: IrregularChoice = "refuse",
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> Iterator[VolumeSource]:
    """Open the one scan that a file, folder, zip or DICOMDIR holds.

    Args:
        path: Where it lies.
        modalities: DICOM's words for what is accepted.
        irregular: What to do with missing, uneven or leaning slices: ``refuse`` or ``resample``.
        limits: Caps of size.

    Yields:
        The scan, readable inside the ``with`` block.

    Raises:
        VolumeError: MV2205 if there is none, MV2206 if there are several, else see the readers.
    """
    with series_tree(path, limits) as tree:
        chosen = choose_volume(path, tree, modalities)
        yield open_found(chosen, modalities=modalities, irregular=irregular, limits=limits)


def damaged_neighbours(path: Path, tree: SeriesTree, chosen: FoundSeries) -> tuple[Finding, ...]:
    """Tell of damaged files beside a series: a lost slice at either end leaves no gap.

    Args:
        path: Where was looked, for the message.
        tree: What was found there.
        chosen: The series.
    """
    suffixes = {header.path.suffix for header in chosen.headers} - {""}
    lost = [
        skipped
        for skipped in tree.skipped
        if skipped.code in _DAMAGED
        or (skipped.code == "MV2201" and skipped.name.endswith(tuple(suffixes)) and suffixes)
    ]
    if not lost:
        return ()
    text = (
        f"{path.name}: {len(lost)} files could not be read, first {lost[0].name} ({lost[0].code})"
    )
    return (Finding("MV2202", text),)


def read_volume(
    path: Path,
    *,
    modalities: Collection[str] = _CT_ONLY,
    irregular: IrregularChoice = "refuse",
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> Volume:
    """Read the one scan that a file, folder, zip or DICOMDIR holds, whole.

    Values that do not look like Hounsfield units are told in the findings (MV2236, MV2237).

    Args:
        path: Where it lies.
        modalities: DICOM's words for what is accepted.
        irregular: What to do with missing, uneven or leaning slices: ``refuse`` or ``resample``.
        limits: Caps of size.

    Raises:
        VolumeError: See :func:`open_volume`.
    """
    with series_tree(path, limits) as tree:
        chosen = choose_volume(path, tree, modalities)
        source = open_found(chosen, modalities=modalities, irregular=irregular, limits=limits)
        volume = source.read()
        told = damaged_neighbours(path, tree, chosen)
    doubt = check_hounsfield(volume)
    told = told if doubt is None else (*told, doubt)
    return replace(volume, findings=(*volume.findings, *told)) if told else volume


def choose_volume(
    path: Path, tree: SeriesTree, modalities: Collection[str] = _CT_ONLY, *, name: str = ""
) -> FoundSeries:
    """Return the one scan of a tree.

    Args:
        path: Where was looked, for the message.
        tree: What was found there.
        modalities: DICOM's words for what is wanted.
        name: Name of the series where there may be several, else empty.

    Raises:
        VolumeError: MV2205 if there is none, MV2206 if there are several, or what was wrong with
            the only file.
    """
    if name:
        return _named_volume(path, tree, name)
    wanted = [
        series
        for series in tree.series
        if series.kind == "volume" and (series.modality in modalities or not series.modality)
    ]
    if len(wanted) == 1:
        return wanted[0]
    if wanted:
        shown = ", ".join(series.name for series in wanted[:4])
        raise VolumeError(
            "MV2206",
            f"{path.name} holds {len(wanted)} scans: {shown}{', ...' if len(wanted) > 4 else ''}",
            expected="one scan",
            hint="name one of them, or give the folder as a whole to a command that takes many",
        )
    if len(tree.series) == 1:
        return tree.series[0]  # opening it says what is wrong with it
    if not tree.series and len(tree.skipped) == 1:
        only = tree.skipped[0]
        raise VolumeError(only.code, only.reason)
    others = {series.modality for series in tree.series} - set(modalities)
    if tree.series and len(others) == 1 and all(s.kind == "volume" for s in tree.series):
        raise VolumeError(
            "MV2210",
            f"{path.name} holds {len(tree.series)} series of modality {others.pop()[:16]!r}",
            expected=" or ".join(sorted(modalities)),
            hint="values of other modalities are no Hounsfield units",
        )
    kinds = Counter(series.kind for series in tree.series)
    shown = ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))
    raise VolumeError(
        "MV2205",
        f"{path.name} holds no scan ({shown or 'no image'}; {len(tree.skipped)} files skipped)",
        expected=f"a volume of modality {' or '.join(sorted(modalities))}",
    )


def _named_volume(path: Path, tree: SeriesTree, name: str) -> FoundSeries:
    for series in tree.series:
        if series.name == name:
            return series
    raise VolumeError(
        "MV2205",
        f"{path.name} holds no series {name!r} any more",
        expected=f"one of {', '.join(series.name for series in tree.series[:4]) or 'none'}",
        hint="the files have changed since they were found; run the command again",
    )

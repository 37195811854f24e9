"""Sort DICOM slices into series: one orientation, one size, one pass over the body each."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from medvlp.volumes.dicom_checks import object_kind
from medvlp.volumes.slice_stack import SAME_PLACE_MM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.volumes.dicom_slices import SliceHeader

__all__ = ["drop_copies", "group_slices"]

_ORIENTATION = 1e-3
_SPACING_MM = 1e-4
_CHUNK_BYTES = 2**20


def group_slices(headers: Sequence[SliceHeader]) -> list[tuple[str, list[SliceHeader]]]:
    """Sort slices into series.

    Slices belong together that share series (or folder, where the series is not named), kind,
    size, orientation and pixel spacing. Where a series passes the same positions several times,
    it is parted by the first field that tells the passes apart: acquisition, time point, kernel
    and so on; where none does, it stays whole and will be refused.

    Args:
        headers: Slices of any number of series.

    Returns:
        For each series what it was parted by (an empty string where it was not) and its slices,
        in the order of their first file.
    """
    coarse: dict[tuple[object, ...], list[SliceHeader]] = defaultdict(list)
    for header in headers:
        coarse[_coarse_key(header)].append(header)
    found = []
    for group in coarse.values():
        for aligned in _split_by_plane(group):
            found.extend(_split_by_pass(aligned))
    return sorted(found, key=lambda part: min((item.path, item.frame) for item in part[1]))


def drop_copies(
    headers: Sequence[SliceHeader],
) -> tuple[list[SliceHeader], list[tuple[SliceHeader, SliceHeader]]]:
    """Part slices from copies of their files: byte for byte, or cut off on the way.

    Of equal files the one in the folder that holds most slices of the series counts, so that a
    few copied slices elsewhere do not tear it apart.

    Args:
        headers: Slices of any number of series.

    Returns:
        The slices that count, and those of copied files, each with the slice that it repeats.
    """
    crowd = Counter((header.series_uid, header.path.parent) for header in headers)
    same: dict[tuple[str, int, tuple[float, ...] | None], list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if header.instance_uid:
            same[(header.instance_uid, header.frame, header.position_mm)].append(header)
    copied: dict[tuple[Path, int], SliceHeader] = {}
    for group in same.values():
        if len(group) == 1:
            continue
        whole: list[SliceHeader] = []
        for header in sorted(group, key=lambda item: _rank(item, crowd)):
            original = next((item for item in whole if _repeats_bytes(item, header)), None)
            if original is None:
                whole.append(header)
            else:
                copied[(header.path, header.frame)] = original
    kept = [header for header in headers if (header.path, header.frame) not in copied]
    copies = [header for header in headers if (header.path, header.frame) in copied]
    return kept, [(header, copied[(header.path, header.frame)]) for header in copies]


def _rank(header: SliceHeader, crowd: Counter[tuple[str, Path]]) -> tuple[int, int, Path]:
    """Order files so that whole ones come before cut ones, and fuller folders before others."""
    size = header.path.stat().st_size
    return (-size, -crowd[(header.series_uid, header.path.parent)], header.path)


def _coarse_key(header: SliceHeader) -> tuple[object, ...]:
    place = header.series_uid or str(header.path.parent)
    return (
        header.study_uid,
        place,
        header.frame_of_reference_uid,
        header.modality,
        header.sop_class,
        object_kind(header),
        header.pixels.rows,
        header.pixels.columns,
        header.pixels.samples,
    )


def _split_by_plane(headers: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    groups: list[list[SliceHeader]] = []
    for header in headers:
        for group in groups:
            first = group[0]
            if _near(header.orientation, first.orientation, _ORIENTATION) and _near(
                header.pixel_spacing_mm, first.pixel_spacing_mm, _SPACING_MM
            ):
                group.append(header)
                break
        else:
            groups.append([header])
    return groups


def _near(one: tuple[float, ...] | None, other: tuple[float, ...] | None, within: float) -> bool:
    if one is None or other is None:
        return one is other
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


def _split_by_pass(headers: list[SliceHeader]) -> list[tuple[str, list[SliceHeader]]]:
    if not _repeats_places(headers):
        return [("", headers)]
    for at, (field, _) in enumerate(headers[0].repeats):
        parts: dict[str, list[SliceHeader]] = defaultdict(list)
        for header in headers:
            parts[header.repeats[at][1]].append(header)
        if len(parts) > 1 and all(
            len(part) > 1 and not _repeats_places(part) for part in parts.values()
        ):
            return [(field, part) for part in parts.values()]
    return [("", headers)]


def _repeats_places(headers: Sequence[SliceHeader]) -> bool:
    first = headers[0]
    if first.orientation is None or any(header.position_mm is None for header in headers):
        return False
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    along = np.sort([float(np.dot(header.position_mm or (0, 0, 0), normal)) for header in headers])
    return bool((np.diff(along) < SAME_PLACE_MM).any())


def _repeats_bytes(whole: SliceHeader, other: SliceHeader) -> bool:
    """Say whether another file holds the bytes of a file, or its first bytes only."""
    if whole.path == other.path:
        return False
    with whole.path.open("rb") as long, other.path.open("rb") as short:
        while chunk := short.read(_CHUNK_BYTES):
            if long.read(len(chunk)) != chunk:
                return False
    return True

"""Read a manifest of cases: a CSV or Parquet table with one row per slide, scan or image."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.errors import ConfigError, nearest_name
from medvlp.io import read_csv

__all__ = ["ManifestRow", "read_case_manifest", "read_manifest_table"]


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One row of a manifest.

    Attributes:
        case_id: Column ``case_id``, else the path as written.
        path: Column ``path``; relative paths start at the manifest's folder.
        slide_mpp: Column ``slide_mpp``: micrometres per level-0 pixel, where the file has none.
        mask: Column ``mask``: a label map of the organs of a scan, or a folder with one file for
            each organ; relative paths start at the manifest's folder.
    """

    case_id: str
    path: Path
    slide_mpp: float | None = None
    mask: Path | None = None


def read_case_manifest(manifest: Path) -> list[ManifestRow]:
    """Read a manifest; further columns (labels, sites) are left to those who need them.

    Raises:
        ConfigError: MV1002 if the column ``path`` is missing, a row has no path, an mpp is no
            positive number, or two rows have the same case id.
    """
    rows = read_manifest_table(manifest)
    columns = set().union(*(row.keys() for row in rows)) if rows else {"path"}
    if "path" not in columns:
        raise ConfigError(
            "MV1002",
            f"manifest {manifest} has no column 'path'{nearest_name('path', columns)}",
            expected="columns path, and if wanted case_id, slide_mpp and mask",
        )
    parsed = [_parse_row(manifest, number, row) for number, row in enumerate(rows, start=2)]
    repeated = [name for name, count in Counter(r.case_id for r in parsed).items() if count > 1]
    if repeated:
        raise ConfigError(
            "MV1002",
            f"manifest {manifest} names case {repeated[0]!r} more than once",
            expected="a case_id of its own for every row",
        )
    return parsed


def read_manifest_table(manifest: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV or Parquet table, column -> value; cells of CSV are text.

    Raises:
        ConfigError: MV1002 if it is no Parquet table.
        MedvlpError: MV1101 or MV1107 if it is no CSV table.
    """
    if manifest.suffix.lower() == ".csv":
        return list(read_csv(manifest))
    try:
        rows: list[dict[str, Any]] = pq.read_table(manifest).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            "MV1002", f"manifest {manifest} cannot be read: {error}", expected="a Parquet table"
        ) from error
    return rows


def _parse_row(manifest: Path, number: int, row: dict[str, Any]) -> ManifestRow:
    written = str(row.get("path") or "").strip()
    if not written:
        raise ConfigError(
            "MV1002", f"manifest {manifest}, line {number}: no path", expected="a file name"
        )
    mask = str(row.get("mask") or "").strip()
    return ManifestRow(
        case_id=str(row.get("case_id") or "").strip() or written,
        path=manifest.parent / written,
        slide_mpp=_parse_mpp(manifest, number, row.get("slide_mpp")),
        mask=manifest.parent / mask if mask else None,
    )


def _parse_mpp(manifest: Path, number: int, value: object) -> float | None:
    if value is None or str(value).strip() == "":
        return None
    try:
        mpp = float(str(value))
    except ValueError:
        mpp = math.nan
    if not (math.isfinite(mpp) and mpp > 0):
        raise ConfigError(
            "MV1002",
            f"manifest {manifest}, line {number}: slide_mpp is {value!r}",
            expected="micrometres per level-0 pixel, a positive number such as 0.25",
        )
    return mpp

"""What probes are fitted to: the embedding, a table of radiomics, and both together.

Letters: N samples, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import DataError
from medvlp.probing.label_table import read_label_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.probing.samples import ProbeSamples

__all__ = ["EMBEDDING", "FUSION", "RADIOMICS", "ProbeInput", "probe_inputs"]

EMBEDDING = "embedding"
RADIOMICS = "radiomics"
FUSION = "fusion"
_NAMES = ("case_id", "unit", "side")


@dataclass(frozen=True, eq=False)
class ProbeInput:
    """Features that a probe is fitted to.

    Attributes:
        name: ``embedding``, ``radiomics`` or ``fusion``.
        features: Shape ``(N, D)``, float64; NaN is missing.
        blocks: Number of features of each block, which weigh the same.
    """

    name: str
    features: NDArray[np.float64]
    blocks: tuple[int, ...]


def probe_inputs(
    samples: ProbeSamples, radiomics: Path | None
) -> tuple[ProbeSamples, list[ProbeInput], dict[str, object]]:
    """Return what is fitted side by side, all on the same samples.

    Fusion puts the embedding and the radiomics beside each other as two blocks of equal weight
    (:func:`medvlp.probing.scaling.fit_scaling`).

    Args:
        samples: The samples.
        radiomics: CSV or Parquet with ``case_id``, ``unit`` or ``side`` where boxes have rows of
            their own, and numbers in all other columns; None for the embedding alone.

    Returns:
        The samples that have both, the inputs, and what is to be recorded of the table.

    Raises:
        DataError: MV1777 if the table has no numbers, a cell that is none, or no row of a sample;
            MV2320 or MV2321 if it names no cases, or one twice.
    """
    size = samples.features.shape[1]
    if radiomics is None:
        return samples, [ProbeInput(EMBEDDING, samples.features, (size,))], {}
    table = read_label_table(radiomics)
    columns = [name for name in table.columns if name not in _NAMES]
    if not columns:
        raise _refusal(radiomics, "there is no column of numbers", "one column per feature")
    unit_column = table.unit_column
    rows = {
        (row["case_id"], row[unit_column] if unit_column else ""): [
            _number(radiomics, row["case_id"], name, row[name]) for name in columns
        ]
        for row in table.rows
    }
    found = [
        _lookup(rows, case_id, unit, unit_column is not None)
        for case_id, unit in zip(samples.case_ids, samples.units, strict=True)
    ]
    keep = [place for place, values in enumerate(found) if values is not None]
    if not keep:
        raise _refusal(
            radiomics,
            f"none of its {len(rows)} rows belongs to a sample",
            f"case ids such as {samples.case_ids[0]!r} with unit {samples.units[0]!r}",
        )
    kept = samples.select(keep, "samples without radiomics, left out of every result")
    values = np.asarray([found[place] for place in keep], dtype=np.float64)
    both = np.hstack([kept.features, values])
    inputs = [
        ProbeInput(EMBEDDING, kept.features, (size,)),
        ProbeInput(RADIOMICS, values, (len(columns),)),
        ProbeInput(FUSION, both, (size, len(columns))),
    ]
    record: dict[str, object] = {
        "num_features": len(columns),
        "missing_share": float(np.isnan(values).mean()),
    }
    return kept, inputs, record


def _lookup(
    rows: dict[tuple[str, str], list[float]], case_id: str, unit: str, has_units: bool
) -> list[float] | None:
    """Return the row of a sample: of its box, else of its side, else of its case."""
    if not has_units:
        return rows.get((case_id, ""))
    sides = [unit, unit.rpartition("_")[2], unit.rpartition("_")[2][:1].upper()]
    return next((rows[case_id, side] for side in sides if (case_id, side) in rows), None)


def _number(path: Path, case_id: str, name: str, text: str) -> float:
    if not text or text.lower() == "nan":
        return math.nan
    try:
        value = float(text)
    except ValueError as error:
        what = f"case {case_id!r} has {name} {text!r}, which is no number"
        raise _refusal(path, what, "numbers in all columns but case_id, unit and side") from error
    if math.isinf(value):
        raise _refusal(path, f"case {case_id!r} has {name} {text!r}", "finite numbers")
    return value


def _refusal(path: Path, what: str, expected: str) -> DataError:
    return DataError("MV1777", f"{path}: {what}", expected=expected)

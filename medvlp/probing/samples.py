"""Features joined to labels: the samples that a probe is fitted to and judged on.

Letters: N samples, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medvlp.io import case_keys
from medvlp.probing.label_table import GROUP_COLUMNS, bad_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.probing.feature_folder import CaseFeatures, FeatureFolder
    from medvlp.probing.label_table import LabelTable

__all__ = ["ProbeSamples", "join_samples", "tie_groups"]

_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}


@dataclass(frozen=True, eq=False)
class ProbeSamples:
    """Samples in the order of the table of labels.

    Attributes:
        case_ids: Case of each sample.
        units: Box of the scan that a sample is; empty where it is the whole case.
        features: Shape ``(N, D)``, float64.
        rows: Row of the table of each sample.
        groups: What is never torn apart, shape ``(N,)``: the patient, or the case where the table
            names no patients; cases of the same content are of one group.
        group_column: Where groups come from; empty where each case is one.
        notes: How many rows and cases were left out or tied together, by reason.
    """

    case_ids: tuple[str, ...]
    units: tuple[str, ...]
    features: NDArray[np.float64]
    rows: tuple[Mapping[str, str], ...]
    groups: NDArray[np.str_]
    group_column: str
    notes: dict[str, int]

    def column(self, name: str) -> list[str]:
        """Return a column of the table, one text per sample."""
        return [row[name] for row in self.rows]

    def select(self, keep: Sequence[int] | NDArray[np.int64], why: str = "") -> ProbeSamples:
        """Return some of the samples.

        Args:
            keep: Their places.
            why: Reason that the others are left out, for the notes.
        """
        left = len(self.rows) - len(keep)
        notes = {**self.notes, why: left} if why and left else self.notes
        return replace(
            self,
            case_ids=tuple(self.case_ids[i] for i in keep),
            units=tuple(self.units[i] for i in keep),
            features=self.features[np.asarray(keep, dtype=np.int64)],
            rows=tuple(self.rows[i] for i in keep),
            groups=self.groups[np.asarray(keep, dtype=np.int64)],
            notes=notes,
        )


def join_samples(folder: FeatureFolder, table: LabelTable, group: str | None) -> ProbeSamples:
    """Find the features of each row of the table.

    A row is found by its case id, as in ``cases.csv`` or as the name of the feature file. With a
    column ``unit`` or ``side`` it means that box of the scan; without, the mean over all boxes.

    Args:
        folder: The features.
        table: The labels.
        group: Column of what is never torn apart; None takes ``patient_id``, ``patient`` or
            ``group`` where there is one.

    Raises:
        DataError: MV2320 if the group column is missing; MV2322 if no row has features.
    """
    if group is not None:
        table.require(group)
    column = group or table.first_of(GROUP_COLUMNS)
    unit_column = table.unit_column
    by_key = {case.key: case for case in folder.cases.values()}
    ids, units, vectors, rows, cases = [], [], [], [], []
    for row in table.rows:
        case_id = row["case_id"]
        case = folder.cases.get(case_id) or by_key.get(case_keys([case_id])[case_id])
        unit, vector = _vector(case, row[unit_column] if unit_column else "")
        if case is None or vector is None:
            continue
        ids.append(case_id)
        units.append(unit)
        vectors.append(vector)
        rows.append(row)
        cases.append(case)
    if not rows:
        raise bad_labels(
            table.path,
            f"none of its {len(table.rows)} rows has features in {folder.path}",
            code="MV2322",
            expected=f"case ids such as {next(iter(folder.cases))!r}",
            hint=f"the table names {table.rows[0]['case_id']!r}",
        )
    own = [(row[column] if column else "") or f"case {i}" for i, row in zip(ids, rows, strict=True)]
    groups, num_tied = tie_groups(own, [case.content_sha256 for case in cases])
    notes = {
        "rows of the table without features": len(table.rows) - len(rows),
        "cases with features and without a row": len(folder.cases) - len({c.key for c in cases}),
        "groups tied together because they share a file of the same content": num_tied,
    }
    return ProbeSamples(
        case_ids=tuple(ids),
        units=tuple(units),
        features=np.stack(vectors),
        rows=tuple(rows),
        groups=groups,
        group_column=column or "",
        notes={why: count for why, count in notes.items() if count},
    )


def tie_groups(groups: Sequence[str], contents: Sequence[str]) -> tuple[NDArray[np.str_], int]:
    """Make one group of groups that share a content.

    Args:
        groups: Group of each sample.
        contents: Hash of the content of each sample.

    Returns:
        Name of each sample's group (that of its first sample), shape ``(N,)``, and how many groups
        have gone.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    _, content = np.unique(np.asarray(contents), return_inverse=True)
    size = len(names) + int(content.max()) + 1
    links = coo_array((np.ones(len(group)), (group, len(names) + content)), shape=(size, size))
    _, part = connected_components(links, directed=False)
    own = part[group]
    _, first = np.unique(own, return_index=True)
    name_of = {int(own[place]): groups[place] for place in first}
    return np.asarray([name_of[int(p)] for p in own]), len(names) - len(first)


def _vector(case: CaseFeatures | None, wanted: str) -> tuple[str, NDArray[np.float64] | None]:
    """Return the box that a row means and its features; None where the case has no such box."""
    if case is None or not case.units:
        return "", None
    if not wanted:
        return "", case.vectors.mean(axis=0)
    side = _SIDES.get(wanted.lower())
    for name, vector in zip(case.units, case.vectors, strict=True):
        if name == wanted or (side and (name == side or name.endswith(f"_{side}"))):
            return name, vector
    return "", None

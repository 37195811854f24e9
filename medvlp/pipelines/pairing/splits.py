"""Training, validation and test, such that nothing that belongs together is torn apart."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.manifest_checks import SPLITS
from medvlp.errors import DataError
from medvlp.pipelines.pairing.clusters import components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.settings import SplitRule

    Ints = NDArray[np.int64]

__all__ = ["SplitPlan", "plan_splits", "split_units"]


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """Where every image goes.

    Attributes:
        splits: Split of each image.
        dropped: Image to the reason why it is left out: its given split crosses its unit's.
        num_units: Number of units that were never torn apart.
    """

    splits: list[str]
    dropped: dict[int, str]
    num_units: int


def split_units(count: int, ties: Sequence[Sequence[str]]) -> Ints:
    """Return what stays together: images that share any value.

    Args:
        count: Number of images N.
        ties: Values of each image, N per tie (a patient, a hash); empty ones tie nothing.

    Returns:
        First image of each image's unit, shape ``(N,)``, int64.
    """
    rows, columns = [], []
    for values in ties:
        first: dict[str, int] = {}
        for place, value in enumerate(values):
            if value:
                rows.append(first.setdefault(value, place))
                columns.append(place)
    return components(count, np.array(rows, np.int64), np.array(columns, np.int64))


def plan_splits(
    names: Sequence[str], given: Sequence[str], units: Ints, rule: SplitRule
) -> SplitPlan:
    """Choose the split of every unit.

    A unit with a given split keeps it; its other images follow. The others are taken in an order
    drawn from the seed, each to the split that lacks most, so that shares of images come close to
    what is asked whatever the sizes of units.

    Args:
        names: Unique name of each image.
        given: Split that the source gives, or empty.
        units: Unit of each image, shape ``(N,)``, int64.
        rule: Shares, seed, and what becomes of units whose given splits differ.

    Returns:
        The plan; the same for the same images in any order.

    Raises:
        DataError: If a unit's given splits differ and that is refused (MV2136), or a split that is
            asked for stays empty (MV2137).
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place, unit in enumerate(units.tolist()):
        members[unit].append(place)
    splits = [""] * len(names)
    dropped: dict[int, str] = {}
    free = []
    for places in members.values():
        wanted = {given[place] for place in places} - {""}
        if not wanted:
            free.append(places)
            continue
        split = max(wanted, key=SPLITS.index)
        for place in places:
            splits[place] = split
            if given[place] not in {"", split}:
                dropped[place] = f"{given[place]} beside {split}"
        if len(wanted) > 1 and rule.crossing == "refuse":
            raise _crossing([names[place] for place in places], sorted(wanted))
    _fill(splits, free, names, rule)
    return SplitPlan(splits=splits, dropped=dropped, num_units=len(members))


def _fill(
    splits: list[str], free: Sequence[list[int]], names: Sequence[str], rule: SplitRule
) -> None:
    shares = {"train": 1 - rule.validation - rule.test}
    shares |= {"validation": rule.validation, "test": rule.test}
    taken = Counter(split for split in splits if split)
    total = len(splits)
    ordered = sorted(free, key=lambda places: _draw(rule.seed, min(names[p] for p in places)))
    for places in sorted(ordered, key=len, reverse=True):
        split = max(SPLITS, key=lambda name: _lack(shares[name] * total, taken[name]))
        taken[split] += len(places)
        for place in places:
            splits[place] = split
    asked = [name for name in SPLITS if shares[name] > 0 and (free or name != "train")]
    empty = [name for name in asked if not taken[name]]
    if empty and total:
        raise DataError(
            "MV2137",
            f"split {empty[0]} stays empty: {len(free)} units are all there is to split",
            expected=f"one unit at least for each of {asked}",
            hint="ask for fewer splits, or look at splits.keep_together: a column with one value "
            "for all keeps everything together",
        )


def _lack(wanted: float, taken: int) -> float:
    return (wanted - taken) / wanted if wanted > 0 else float("-inf")


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()


def _crossing(names: Sequence[str], wanted: Sequence[str]) -> DataError:
    shown = ", ".join(sorted(names)[:4])
    return DataError(
        "MV2136",
        f"{len(names)} images that belong together are given to {' and '.join(wanted)}: {shown}",
        expected="one split for each patient, source and set of near-duplicates",
        hint="correct the split column, or drop what crosses with splits.crossing=drop",
    )


def count_splits(splits: Sequence[str]) -> Mapping[str, int]:
    """Return the number of images of each split that has some."""
    found = Counter(splits)
    return {name: found[name] for name in SPLITS if found[name]}

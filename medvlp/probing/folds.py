"""Which samples are fitted and which are judged; groups are never torn apart.

Letters: N samples, K folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["Part", "group_folds", "inner_folds", "plan_parts"]

INNER_FOLDS = 5
_TRAIN = ("train", "training", "val", "valid", "validation", "dev")
_TEST = ("test", "testing")


@dataclass(frozen=True, eq=False)
class Part:
    """One fit.

    Attributes:
        name: ``test``, or ``fold 1`` and so on.
        train: Places of the samples that are fitted, int64.
        test: Places of the samples that are judged, int64.
    """

    name: str
    train: Ints
    test: Ints


def plan_parts(
    strata: Ints, groups: NDArray[np.str_], split: Sequence[str] | None, *, folds: int, seed: int
) -> list[Part]:
    """Say what is fitted and what is judged.

    With a split, samples of ``train`` and ``val`` are fitted and those of ``test`` judged; rows
    without a word are left out. Without, each of K folds is judged once by a fit on the others.

    Args:
        strata: What folds should hold equally, such as the class, shape ``(N,)``, >= 0.
        groups: Group of each sample, shape ``(N,)``.
        split: Word of each sample, or None.
        folds: K.
        seed: Seed of the folds.

    Raises:
        DataError: MV2320 for an unknown word or a part without samples; MV2326 for fewer groups
            than folds; MV2327 for a group on both sides.
    """
    if split is None:
        pairs = group_folds(strata, groups, folds, seed=seed)
        return [Part(f"fold {k}", *pair) for k, pair in enumerate(pairs, start=1)]
    words = [word.lower() for word in split]
    unknown = sorted({word for word in words if word and word not in (*_TRAIN, *_TEST)})
    if unknown:
        raise DataError(
            "MV2320", f"the split {unknown[0]!r} is unknown", expected=f"{_TRAIN} or {_TEST}"
        )
    train = np.flatnonzero([word in _TRAIN for word in words])
    test = np.flatnonzero([word in _TEST for word in words])
    for name, part in (("train", train), ("test", test)):
        if not len(part):
            raise DataError("MV2320", f"no sample is of the split {name!r}", expected="both parts")
    both = np.intersect1d(groups[train], groups[test])
    if len(both):
        raise DataError(
            "MV2327",
            f"{len(both)} groups are in train and in test, such as {both[0]!r}",
            expected="every patient on one side",
            hint="split by patient; files of the same content count as one patient",
        )
    return [Part("test", train, test)]


def group_folds(
    strata: Ints, groups: NDArray[np.str_], folds: int, *, seed: int
) -> list[tuple[Ints, Ints]]:
    """Deal groups into folds, those of each stratum evenly.

    A group belongs to the rarest stratum among its samples. The groups of a stratum are shuffled
    and dealt in turn; the next stratum goes on where the last one ended.

    Args:
        strata: Stratum of each sample, shape ``(N,)``, int64 >= 0.
        groups: Group of each sample, shape ``(N,)``.
        folds: Number of folds K, at least 2.
        seed: Seed of the shuffle.

    Returns:
        Places of what is fitted and of what is left out, per fold.

    Raises:
        DataError: MV2326 if there are fewer groups than folds.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < max(folds, 2):
        raise DataError(
            "MV2326",
            f"{len(names)} groups (patients) cannot be parted into {max(folds, 2)} folds",
            expected="as many patients as folds at least",
            hint="take fewer folds (--folds), or label more patients",
        )
    rarity = np.bincount(strata)[strata]
    stratum = np.full(len(names), -1)
    for place in np.argsort(-rarity, kind="stable"):
        stratum[member[place]] = strata[place]
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(np.flatnonzero(stratum == s)) for s in np.unique(stratum)]
    )
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[order] = np.arange(len(names)) % folds
    own = fold_of[member]
    return [(np.flatnonzero(own != k), np.flatnonzero(own == k)) for k in range(folds)]


def inner_folds(strata: Ints, groups: NDArray[np.str_], *, seed: int) -> list[tuple[Ints, Ints]]:
    """Part what is fitted once more, to choose a setting: five folds, or as many as groups.

    Args:
        strata: Stratum of each sample, shape ``(N,)``.
        groups: Group of each sample, shape ``(N,)``.
        seed: Seed of the shuffle.

    Raises:
        DataError: MV2326 if there are fewer than two groups.
    """
    return group_folds(strata, groups, min(INNER_FOLDS, len(np.unique(groups))), seed=seed)

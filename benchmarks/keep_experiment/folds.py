"""Grouped folds: no source image stands on both sides, and every class stands in every fold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.keep_experiment.tiles import TileSet, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["NUM_FOLDS", "assign_folds", "inner_split", "match_sets", "split"]

NUM_FOLDS = 3
_FOLD_SEED, _INNER_SEED = 20, 21

Sets = dict[str, TileSet]


def assign_folds(
    tiles: TileSet, num_folds: int = NUM_FOLDS, seed: int = _FOLD_SEED
) -> NDArray[np.int64]:
    """Deal the groups of a set to folds, large groups first, to where their classes are rarest.

    The folds depend on the set alone, not on the seed of a run.

    Args:
        tiles: The set.
        num_folds: Number of folds.
        seed: Decides between equal groups.

    Returns:
        Fold of each tile, shape ``(N,)``, int64.
    """
    num_groups = int(tiles.group.max()) + 1
    counts = np.zeros((num_groups, len(tiles.classes)), dtype=np.int64)
    np.add.at(counts, (tiles.group, tiles.label), 1)
    ties = np.random.default_rng(seed).random(num_groups)
    rarest_first = np.array([_rarest(row, counts) for row in counts])
    order = np.lexsort((ties, -counts.sum(axis=1), rarest_first))
    held = np.zeros((num_folds, len(tiles.classes)))
    fold_of = np.zeros(num_groups, dtype=np.int64)
    share = np.maximum(counts.sum(axis=0) / num_folds, 1)
    for group in order:
        before, after = held / share, (held + counts[group]) / share
        cost = (after**2 - before**2).sum(axis=1)
        fold = int(np.lexsort((held.sum(axis=1), cost))[0])
        fold_of[group] = fold
        held[fold] += counts[group]
    return fold_of[tiles.group]


def split(sets: Mapping[str, TileSet], fold: int) -> tuple[Sets, Sets]:
    """Return the training and the test part of every set.

    Args:
        sets: The sets.
        fold: Which fold is the test part.
    """
    return _parts(sets, {name: assign_folds(tiles) == fold for name, tiles in sets.items()})


def inner_split(training: Mapping[str, TileSet], fold: int = 0) -> tuple[Sets, Sets]:
    """Split a training part again, to choose settings on without looking at its test part.

    Args:
        training: Training part of the sets.
        fold: Which third of it is looked at.
    """
    held = {name: assign_folds(tiles, seed=_INNER_SEED) == fold for name, tiles in training.items()}
    return _parts(training, held)


def _parts(
    sets: Mapping[str, TileSet], is_test: Mapping[str, NDArray[np.bool_]]
) -> tuple[Sets, Sets]:
    train = {name: select(tiles, np.flatnonzero(~is_test[name])) for name, tiles in sets.items()}
    test = {name: select(tiles, np.flatnonzero(is_test[name])) for name, tiles in sets.items()}
    return train, test


def _rarest(counts: NDArray[np.int64], all_counts: NDArray[np.int64]) -> int:
    """Return how many groups the rarest class of a group has."""
    groups_of_class = (all_counts > 0).sum(axis=0)
    present = counts > 0
    return int(groups_of_class[present].min()) if present.any() else len(all_counts)


def match_sets(
    training: Mapping[str, TileSet], test: Mapping[str, TileSet], say: Callable[[str], None]
) -> tuple[Sets, Sets]:
    """Keep of two folders what both have, with the same order of classes.

    Args:
        training: Sets to train on.
        test: Sets to judge.
        say: Told what is left out.
    """
    kept: tuple[Sets, Sets] = ({}, {})
    for name, tiles in training.items():
        if name not in test:
            say(f"{name}: not among the tiles to judge, trained on but not judged")
            kept[0][name] = tiles
            continue
        kept[0][name] = tiles
        extra = [label for label in test[name].classes if label not in tiles.classes]
        if extra:
            say(f"{name}: {', '.join(extra)} not trained on, not judged")
        matched = _with_classes(test[name], tiles.classes)
        if len(matched):
            kept[1][name] = matched
    for name in test:
        if name not in training:
            say(f"{name}: not trained on, not judged")
    return kept


def _with_classes(tiles: TileSet, classes: tuple[str, ...]) -> TileSet:
    """Return the tiles of the given classes, numbered in their order."""
    place = np.array([classes.index(x) if x in classes else -1 for x in tiles.classes])
    rows = np.flatnonzero(place[tiles.label] >= 0)
    chosen = select(tiles, rows)
    return replace(chosen, classes=classes, label=place[chosen.label])

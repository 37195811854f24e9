"""Splits hit their shares, and never tear a unit apart."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvlp.errors import DataError
from medvlp.pipelines.pairing.settings import SplitRule
from medvlp.pipelines.pairing.splits import plan_splits, split_units


def test_split_units__join_whatever_shares_any_value() -> None:
    units = split_units(6, [["p", "p", "q", "", "", ""], ["1", "2", "2", "3", "3", "4"]])
    assert units.tolist() == [0, 0, 0, 3, 3, 5]


def plan(given_splits, units, **rule):
    names = [f"n{i:04d}" for i in range(len(units))]
    return plan_splits(names, given_splits, np.array(units), SplitRule(**rule))


def test_plan_splits__comes_close_to_the_shares_with_units_of_any_size() -> None:
    sizes = np.random.default_rng(0).integers(1, 30, size=200)
    units = np.repeat(np.cumsum(sizes) - sizes, sizes).tolist()
    found = plan([""] * len(units), units, validation=0.15, test=0.25)
    shares = {name: count / len(units) for name, count in Counter(found.splits).items()}
    assert shares == pytest.approx({"train": 0.6, "validation": 0.15, "test": 0.25}, abs=0.01)
    for unit in set(units):
        assert len({s for s, u in zip(found.splits, units, strict=True) if u == unit}) == 1


@given(st.lists(st.integers(0, 5), min_size=8, max_size=30), st.randoms(use_true_random=False))
def test_plan_splits__does_not_depend_on_the_order(values, order) -> None:
    names = [f"n{i:02d}" for i in range(len(values))]

    def named(places):
        first: dict[int, int] = {}
        units = np.array([first.setdefault(values[p], k) for k, p in enumerate(places)])
        if len(first) < 2:
            return {}
        moved = [names[p] for p in places]
        found = plan_splits(moved, [""] * len(moved), units, SplitRule(test=0.3, seed=4))
        return dict(zip(moved, found.splits, strict=True))

    places = list(range(len(values)))
    order.shuffle(places)
    assert named(places) == named(list(range(len(values))))


def test_plan_splits__changes_with_the_seed() -> None:
    units = list(range(50))
    found = {tuple(plan([""] * 50, units, test=0.5, seed=s).splits) for s in range(3)}
    assert len(found) == 3


def test_plan_splits__keeps_given_splits_and_lets_the_unit_follow() -> None:
    found = plan(["test", "", "train", ""], [0, 0, 2, 3])
    assert found.splits == ["test", "test", "train", "train"]
    assert not found.dropped


def test_plan_splits__refuses_a_unit_that_crosses() -> None:
    with pytest.raises(DataError, match="given to test and train: n0000, n0001"):
        plan(["test", "train", "train"], [0, 0, 2])


def test_plan_splits__drops_the_less_held_out_side_where_asked() -> None:
    found = plan(["train", "test", "validation", ""], [0, 0, 0, 0], crossing="drop")
    assert set(found.dropped) == {0, 2}
    assert found.splits[1] == found.splits[3] == "test"


def test_plan_splits__refuses_a_split_that_stays_empty() -> None:
    with pytest.raises(DataError, match="split validation stays empty"):
        plan([""] * 4, [0, 0, 0, 0], validation=0.2)

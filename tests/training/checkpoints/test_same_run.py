"""Whose state is refused."""

import pytest

from medvlp.errors import DataError
from medvlp.training.checkpoints.same_run import check_same_run


def test_check_same_run__takes_lists_for_tuples() -> None:
    check_same_run({"a": {"b": [1, 2]}}, {"a": {"b": (1, 2)}})


def test_check_same_run__names_what_differs_and_counts_the_rest() -> None:
    there = {"seed": 1, "config": {"model": {"dim": 8, "depth": 2}, "data": {"size": 4}}}
    here = {"seed": 2, "config": {"model": {"dim": 16, "depth": 3}, "data": {}}}
    with pytest.raises(DataError, match=r"config.data.size: 4 there, None here") as caught:
        check_same_run(there, here)
    assert caught.value.code == "MV1709"
    assert "config.model.dim: 8 there, 16 here; and 1 more" in str(caught.value)

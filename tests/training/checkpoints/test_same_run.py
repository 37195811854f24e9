"""Whose state is refused."""

from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.training.checkpoints.same_run import (
    check_same_run,
    check_same_step,
    check_takers,
)


def test_check_same_run__takes_lists_for_tuples() -> None:
    check_same_run({"a": {"b": [1, 2]}}, {"a": {"b": (1, 2)}})


def test_check_same_run__names_what_differs_and_counts_the_rest() -> None:
    there = {"seed": 1, "config": {"model": {"dim": 8, "depth": 2}, "data": {"size": 4}}}
    here = {"seed": 2, "config": {"model": {"dim": 16, "depth": 3}, "data": {}}}
    with pytest.raises(DataError, match=r"config.data.size: 4 there, None here") as caught:
        check_same_run(there, here)
    assert caught.value.code == "MV1709"
    assert "config.model.dim: 8 there, 16 here; and 1 more" in str(caught.value)


def test_check_takers__lets_callbacks_be_added_and_none_be_left_out() -> None:
    check_takers(["Average"], ["Average", "Speed"])
    with pytest.raises(DataError, match="the state of Average, which this run lacks") as caught:
        check_takers(["Average", "Speed"], ["Speed"])
    assert caught.value.code == "MV1709"


def test_check_same_step__names_the_rank_that_sees_another_checkpoint() -> None:
    check_same_step([400, 400], Path("checkpoints"))
    with pytest.raises(DataError, match="after step 400 and rank 2 after step 300") as caught:
        check_same_step([400, 400, 300, 300], Path("checkpoints"))
    assert caught.value.code == "MV1712"

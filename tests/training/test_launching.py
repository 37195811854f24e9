"""The rank of a process as its launcher states it."""

import pytest

from medvlp.training.launching import launched_rank


@pytest.mark.parametrize(
    ("stated", "rank"),
    [
        ({}, 0),
        ({"RANK": "5", "LOCAL_RANK": "1"}, 5),
        ({"SLURM_PROCID": "3"}, 3),
        ({"LOCAL_RANK": "1"}, 1),
        ({"RANK": "", "LOCAL_RANK": "2"}, 2),
    ],
)
def test_launched_rank__is_what_the_launcher_says(stated, rank, monkeypatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    assert launched_rank() == rank

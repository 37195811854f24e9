"""When a state is due: by steps, by the clock, and not before a validation."""

import math
from types import SimpleNamespace

import pytest

from medvlp.training.checkpoints import timing
from medvlp.training.checkpoints.settings import CheckpointSettings
from medvlp.training.checkpoints.timing import SaveClock, ends_now, validates_next


def test_save_clock__counts_steps_from_the_last_state() -> None:
    clock = SaveClock(CheckpointSettings(every_steps=3, every_minutes=None))
    clock.restart(7)
    assert [clock.is_due(step) for step in (8, 9, 10, 11)] == [False, False, True, True]
    clock.restart(11)
    assert not clock.is_due(13)


def test_save_clock__looks_at_the_time_every_few_steps(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timing.time, "monotonic", lambda: now[0])
    clock = SaveClock(CheckpointSettings(every_minutes=1.0, look_every=4))
    clock.restart(0)
    now[0] = 59.0
    assert not clock.is_due(4)
    now[0] = 61.0
    assert [clock.is_due(step) for step in (5, 8)] == [False, True]


def trainer(**more) -> SimpleNamespace:
    settings = {
        "check_val_every_n_epoch": 1,
        "val_check_batch": math.inf,
        "enable_validation": True,
        "current_epoch": 0,
        "is_last_batch": False,
        "global_step": 0,
        "max_steps": -1,
        "max_epochs": 2,
        "fit_loop": SimpleNamespace(epoch_loop=SimpleNamespace(total_batch_idx=0)),
    }
    return SimpleNamespace(**settings | more)


@pytest.mark.parametrize(
    ("state", "batch_idx", "expected"),
    [
        ({}, 5, False),
        ({"is_last_batch": True}, 5, True),
        ({"is_last_batch": True, "enable_validation": False}, 5, False),
        ({"is_last_batch": True, "check_val_every_n_epoch": 2}, 5, False),
        ({"val_check_batch": 3}, 5, True),
        ({"val_check_batch": 3}, 4, False),
        ({"val_check_batch": None}, 5, False),
        (
            {
                "check_val_every_n_epoch": None,
                "val_check_batch": 4,
                "fit_loop": SimpleNamespace(epoch_loop=SimpleNamespace(total_batch_idx=7)),
            },
            1,
            True,
        ),
    ],
)
def test_validates_next__knows_the_trainers_rhythms(state, batch_idx, expected) -> None:
    assert validates_next(trainer(**state), batch_idx) is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, False),
        ({"is_last_batch": True}, False),
        ({"current_epoch": 1}, False),
        ({"current_epoch": 1, "is_last_batch": True}, True),
        ({"current_epoch": 1, "is_last_batch": True, "max_epochs": -1}, False),
        ({"current_epoch": 1, "is_last_batch": True, "max_epochs": None}, False),
        ({"max_steps": 7, "global_step": 6}, False),
        ({"max_steps": 7, "global_step": 7}, True),
    ],
)
def test_ends_now__knows_the_last_batch_of_a_run(state, expected) -> None:
    assert ends_now(trainer(**state)) is expected

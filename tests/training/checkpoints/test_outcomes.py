"""Failures to keep a state are counted in a row and told once."""

import logging
from types import SimpleNamespace

import pytest

from medvlp.errors import OutputError
from medvlp.training.checkpoints.outcomes import SaveOutcomes


def test_save_outcomes__count_failures_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    results: list[OutputError | None] = []
    plugin = SimpleNamespace(is_writing=False, finish=results.pop, wait=lambda: None)
    outcomes = SaveOutcomes(plugin, 1)
    failure = OutputError("MV1105", "full")
    told = []
    with caplog.at_level(logging.ERROR):
        for step, result in enumerate([None, failure, None, failure, failure]):
            results.append(result)
            outcomes.expect(step)
            outcomes.wait()
            outcomes.look()
            told.append((outcomes.is_hopeless, outcomes.step_on_disk, outcomes.failure))
    assert [hopeless for hopeless, _, _ in told] == [False, False, False, False, True]
    assert [step for _, step, _ in told] == [0, 0, 2, 2, 2]
    assert [each for _, _, each in told] == [None, failure, None, failure, failure]
    assert len(caplog.records) == 3


def test_save_outcomes__know_nothing_of_a_state_that_is_being_written() -> None:
    plugin = SimpleNamespace(is_writing=True)
    outcomes = SaveOutcomes(plugin, 0)
    outcomes.expect(3)
    outcomes.look()
    assert outcomes.step_on_disk is None
    plugin.is_writing, plugin.finish = False, lambda: None
    outcomes.look()
    assert outcomes.step_on_disk == 3

"""Signals raise a flag and nothing else, and are given back."""

import signal

import pytest

from medvlp.training.checkpoints.stop_signals import STOP_SIGNALS, StoppedRun, StopSignals


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_stop_signals__are_noted_while_installed(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    noted = StopSignals()
    noted.install()
    noted.install()
    assert noted.received == ""
    signal.raise_signal(number)
    assert noted.received == number.name
    noted.restore()
    assert signal.getsignal(number) == before


def test_stopped_run__fails_for_now_on_rank_0_only() -> None:
    assert StoppedRun(3, "SIGTERM", 0).code == 75
    assert StoppedRun(3, "SIGTERM", 1).code == 0

"""Signals raise a flag and nothing else, and are given back."""

import signal

import pytest

from medvlp.training.checkpoints.stop_signals import STOP_SIGNALS, StopSignals


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

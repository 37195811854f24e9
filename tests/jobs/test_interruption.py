import os
import signal
import threading

import pytest

from medvlp.jobs.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption__turns_a_signal_into_keyboard_interrupt_once(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        with pytest.raises(KeyboardInterrupt, match=number.name):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # the second is ignored while things are put in order
        with pytest.raises(KeyboardInterrupt, match=number.name):
            interruption.check()
    assert signal.getsignal(number) is former


def test_interruption__leaves_an_ignored_signal_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            interruption.check()
    finally:
        signal.signal(signal.SIGINT, former)


def test_interruption__does_nothing_outside_the_main_thread() -> None:
    former = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter() -> None:
        with Interruption() as interruption:
            interruption.check()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [former]

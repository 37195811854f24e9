"""Steps that take long enough to be disturbed."""

import signal
import time

from lightning.pytorch.callbacks import Callback


class SlowSteps(Callback):
    """Waits a little before each step; changes nothing that is trained."""

    def on_train_batch_start(self, *_: object) -> None:
        time.sleep(0.2)


class WaitForSignal(Callback):
    """Waits before the ninth step until the run is asked to stop; a run that goes on does not."""

    def on_train_batch_start(self, trainer, *_: object) -> None:
        waits = trainer.fit_loop.epoch_loop.total_batch_idx == 8
        until = time.monotonic() + 300
        while waits and time.monotonic() < until:
            handler = signal.getsignal(signal.SIGUSR1)
            if handler.__self__.received:  # the handler notes what came
                return
            time.sleep(0.1)

"""Steps that take long enough to be disturbed."""

import time

from lightning.pytorch.callbacks import Callback


class SlowSteps(Callback):
    """Waits a little before each step; changes nothing that is trained."""

    def on_train_batch_start(self, *_: object) -> None:
        time.sleep(0.2)

"""A callback for runs of several processes: from some step on, nothing can be written."""

import errno

from lightning.pytorch.callbacks import Callback

from medvlp.training.checkpoints import folder


class FillDisk(Callback):
    """Lets the disk be full when the state of the third step is written."""

    def on_train_start(self, trainer, pl_module) -> None:
        plain = folder._write

        def write(path, *parts):
            if int(path.parent.name.rsplit("_", 1)[1]) >= 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            return plain(path, *parts)

        folder._write = write

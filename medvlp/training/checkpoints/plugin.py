"""Lightning's checkpoints in our own format, written in the background; nothing is pickled."""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.plugins.io import CheckpointIO

from medvlp.errors import MedvlpError, OutputError
from medvlp.training.checkpoints.folder import read_checkpoint, remove_older, write_copy
from medvlp.training.checkpoints.state_copy import StateBuffer, StateCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["StateFolders"]

logger = logging.getLogger(__name__)


class StateFolders(CheckpointIO):
    """Writes and reads the state of a trainer as folders of safetensors and JSON.

    A state is copied when it is saved and written by a thread while training goes on; one at a
    time: a save waits for the one before it. Failures are kept for whoever asks, because the other
    ranks are already waiting for this one.

    Attributes:
        keep: How many states stay.
        check: Looks at a state before anything of it is taken up; it may refuse.
    """

    def __init__(self) -> None:
        self.keep = 2
        self.check: Callable[[Mapping[str, Any]], None] | None = None
        self._buffer = StateBuffer()
        self._threads: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Copy a state and begin to write it; it appears whole or not at all.

        What became of the state before it is forgotten unless :meth:`finish` was called.

        Args:
            checkpoint: What the trainer gives.
            path: Folder to write.
            storage_options: Not used.
        """
        self.finish()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        try:
            copied = self._buffer.copy(checkpoint)
        except MedvlpError as error:
            self._writing = Future()
            self._writing.set_exception(error)
            return
        self._writing = self._threads.submit(self._write, Path(path), copied)

    @property
    def is_writing(self) -> bool:
        """Whether a state is being written."""
        return self._writing is not None and not self._writing.done()

    def wait(self) -> None:
        """Wait for the state that is being written."""
        if self._writing is not None:
            wait([self._writing])

    def finish(self) -> MedvlpError | None:
        """Wait for the state that is being written; return why it could not be, else None."""
        writing, self._writing = self._writing, None
        if writing is None:
            return None
        try:
            writing.result()
        except MedvlpError as error:
            return error
        return None

    def close(self) -> None:
        """End the thread and free the memory of the copy."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        self._buffer = StateBuffer()

    def _write(self, path: Path, copied: StateCopy) -> None:
        write_copy(path, copied)
        try:
            remove_older(path.parent, self.keep)
        except OutputError as error:
            logger.warning("%s", error)

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state whose hashes are right; tensors come to the CPU.

        Args:
            path: Folder of the checkpoint.
            map_location: Not used: the trainer moves what it takes.
            weights_only: Not used: nothing can be run by reading.

        Raises:
            DataError: MV1707 if it is damaged; what the check raises.
        """
        state = read_checkpoint(Path(path))
        if self.check is not None:
            self.check(state)
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint.

        Args:
            path: Folder of the checkpoint.
        """
        shutil.rmtree(path)

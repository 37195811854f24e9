"""Lightning's checkpoints in our own format; nothing is pickled or unpickled."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO

from medvlp.errors import OutputError
from medvlp.training.checkpoints.folder import read_checkpoint, write_checkpoint

__all__ = ["StateFolders"]


class StateFolders(CheckpointIO):
    """Writes and reads the state of a trainer as folders of safetensors and JSON.

    Attributes:
        failure: Why the last state could not be written, else None. It is not raised, because the
            other ranks are already waiting for this one.
    """

    def __init__(self) -> None:
        self.failure: OutputError | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write a state; it appears whole or not at all.

        Args:
            checkpoint: What the trainer gives.
            path: Folder to write.
            storage_options: Not used.
        """
        self.failure = None
        try:
            write_checkpoint(Path(path), checkpoint)
        except OutputError as error:
            self.failure = error

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state whose hashes are right; tensors come to the CPU.

        Args:
            path: Folder of the checkpoint.
            map_location: Not used: the trainer moves what it takes.
            weights_only: Not used: nothing can be run by reading.

        Raises:
            DataError: MV1707 if it is damaged.
        """
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint.

        Args:
            path: Folder of the checkpoint.
        """
        shutil.rmtree(path)

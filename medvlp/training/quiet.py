"""Leave out what the training libraries say on their own account."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet_libraries"]

_LIBRARY_MESSAGES = (
    "LightningCLI's args parameter",
    ".*does not have many workers",
    ".*The `srun` command is available",
    "The number of training batches",
    "Experiment logs directory .* exists and is not empty",
    "Total length of `list` across ranks is zero",
    # jsonargparse 4.53 deprecates a method that lightning 2.6.6 calls, and says so in two warnings
    r"\s+By default only one JsonargparseDeprecationWarning",
    r"\s+``?instantiate_classes",
    # torch 2.15 deprecates a test that lightning 2.6.6 makes at every transfer of a batch
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
    # its compiler looks at .grad of tensors that have none, and torch warns of it
    "The .grad attribute of a Tensor that is not a leaf",
)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Leave out what Lightning says on its own account; errors and our own lines stay."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in _LIBRARY_MESSAGES:
            warnings.filterwarnings("ignore", message=message)
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

"""``medvlp train``: everything after the word goes to LightningCLI."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from medvlp.errors import MedvlpError

__all__ = ["train"]


def train(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Train a model: medvlp train fit --config CONFIG.yaml [--key.name value ...].

    Args:
        words: What LightningCLI takes; 'medvlp train fit --help' lists every key.

    Returns:
        0: finished. 2: refused, and the same command would be again. 75: asked to stop by a signal,
        the state is kept. 1 and all others: the same command may go on.
    """
    from medvlp.training.cli import main
    from medvlp.training.launching import exit_code

    try:
        return main(list(words))
    except MedvlpError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)

"""``medvlp train``: everything after the word goes to LightningCLI."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

__all__ = ["train"]


def train(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Train a model: medvlp train fit --config CONFIG.yaml [--key.name value ...].

    Args:
        words: What LightningCLI takes; 'medvlp train fit --help' lists every key.
    """
    from medvlp.training.cli import main

    return main(list(words))

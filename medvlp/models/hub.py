"""Fetch a model folder from the Hugging Face hub: data files only, never code."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from medvlp.errors import ModelError

__all__ = ["HUB_PREFIX", "fetch_hub_folder"]

HUB_PREFIX = "hf-hub:"
_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_WEIGHTS = ("*.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin")


def fetch_hub_folder(name: str, weights: tuple[str, ...] = ()) -> Path:
    """Bring the files of ``hf-hub:owner/name[@revision]`` into the local cache.

    Without network the cache is used if it holds the model. Pickled weights are taken only where
    the repository has no safetensors, and are then read with torch's restricted loader.

    Args:
        name: The repository.
        weights: Names of files of weights, the preferred one first, of releases that keep theirs
            under names of their own; the usual names come after them.

    Raises:
        ModelError: If the name is not one (MV1401), or the model cannot be fetched (MV1412).
    """
    identifier = name.removeprefix(HUB_PREFIX)
    if not _NAME.fullmatch(identifier):
        raise ModelError(
            "MV1401", f"{name!r} is not a name on the hub", expected="hf-hub:owner/name[@revision]"
        )
    repository, _, revision = identifier.partition("@")
    try:
        return Path(_download(repository, revision or None, (*weights, *_WEIGHTS)))
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(
            "MV1412",
            f"{name!r} is not on the hub, or is not open to you ({type(error).__name__})",
            hint="check the name; for a gated model accept its terms and run `hf auth login`",
        ) from error
    except (HfHubHTTPError, HFValidationError, RevisionResolutionError, OSError) as error:
        raise ModelError(
            "MV1412",
            f"{name!r} is not in the local cache and cannot be fetched ({type(error).__name__})",
            hint="fetch it once on a machine with network, or pass the path of a model folder",
        ) from error


def _download(repository: str, revision: str | None, names: tuple[str, ...]) -> str:
    """Fetch settings, tokenizer and weights; pickles only where there is nothing else."""
    settings = ["*.json", "*.model", "*.txt"]
    for weights in names:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=[*settings, weights],
            ignore_patterns=["*/*"],
        )
        if any(Path(folder).glob(weights)):
            break
    return str(folder)

"""The files of a model bundle: written together with their description, and proved by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from medvlp.config.strict import StrictModel
from medvlp.errors import ModelError
from medvlp.io import content_sha256, publish_folder, write_json
from medvlp.models.bundle_schema import BUNDLE_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from medvlp.models.weight_parts import write_parts
from medvlp.models.weights import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import torch

__all__ = ["check_bundle_files", "publish_bundle"]

_DescriptionT = TypeVar("_DescriptionT", bound=StrictModel)


def publish_bundle(
    folder: Path,
    state: Mapping[str, torch.Tensor],
    others: Mapping[str, Callable[[Path], None]],
    describe: Callable[[dict[str, str]], _DescriptionT],
    source: str,
    *,
    listing: str = BUNDLE_FILE,
) -> _DescriptionT:
    """Write a bundle; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        state: All tensors of the model, on any device.
        others: Name of a further file to what writes it.
        describe: Makes the description of the hashes of all files.
        source: The model's name, for messages.
        listing: Name of the file of the description.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    check_finite(tensors, source)
    with publish_folder(folder) as partial:
        weights = write_parts(partial / WEIGHTS_FILE, tensors)
        for name, write in others.items():
            write(partial / name)
        files = {name: content_sha256(partial / name) for name in (*weights, *others)}
        meta = describe(files)
        write_json(partial / listing, meta.model_dump(mode="json"))
    return meta


def check_bundle_files(
    folder: Path, files: Mapping[str, str], *, listing: str = BUNDLE_FILE
) -> None:
    """Prove that every file of a bundle is there and is the one that its description was made with.

    Args:
        folder: The bundle.
        files: File name to the sha256 of its bytes, as the description says.
        listing: Name of the file of the description.

    Raises:
        ModelError: If a file is missing (MV1403, MV1410) or changed (MV1404).
    """
    for file, expected in files.items():
        _check_hash(folder / file, expected, listing)


def _check_hash(path: Path, expected: str, listing: str) -> None:
    if not path.is_file():
        code = "MV1410" if path.name == TOKENIZER_FILE else "MV1403"
        raise ModelError(
            code,
            f"{path} does not exist",
            expected=f"the files that {listing} lists",
            hint="copy the whole model folder again",
        )
    actual = content_sha256(path)
    if actual != expected:
        raise ModelError(
            "MV1404",
            f"{path} has sha256 {actual[:12]}...",
            expected=f"{expected[:12]}... as {listing} says",
            hint="the file was changed or cut short; copy the whole model folder again",
        )

"""Read a file of texts with their embeddings, made by a text encoder that runs elsewhere."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import ModelError
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.source import refuse_pointer
from medvlp.models.volume.stored_texts import StoredTexts, read_stored_texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_text_vectors"]

_TEXTS, _EMBEDDINGS = "texts", "embeddings"
_FORMS = (
    "a .npz with 'texts' (n) and 'embeddings' (n, D), or a .npz, .safetensors or .pt with a vector "
    "under each text"
)


def read_text_vectors(path: Path, name: str) -> StoredTexts:
    """Read texts and their vectors.

    Args:
        path: A ``.npz`` with ``texts`` (n texts) and ``embeddings`` of shape ``(n, D)``; or a
            ``.npz``, ``.safetensors`` or file of ``torch.save`` with a vector of shape ``(D,)`` or
            ``(1, D)`` under each text; or ``texts.safetensors`` of a bundle.
        name: The model's name.

    Raises:
        ModelError: If there is no such file (MV2100), it cannot be read or holds something else
            (MV2114), asks for a program to be run (MV2104), or its vectors are not usable (MV1446).
    """
    if not path.is_file():
        raise ModelError("MV2100", f"{path} does not exist", expected=_FORMS)
    refuse_pointer(path)
    if path.suffix.lower() == ".npz":
        arrays = _read_npz(path)
        if set(arrays) == {_TEXTS, _EMBEDDINGS}:
            return _from_columns(arrays[_TEXTS], arrays[_EMBEDDINGS], path, name)
        return _from_table(arrays, path, name)
    tensors = read_checkpoint(path)
    if set(tensors) == {_EMBEDDINGS} and path.suffix.lower() == ".safetensors":
        return read_stored_texts(path, name)
    return _from_table({text: t.float().numpy() for text, t in tensors.items()}, path, name)


def _read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as stream:  # numpy leaves a file open that is cut short
            content = np.load(stream, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise _unusable(path, "is a .npy with one array")
            return {key: content[key] for key in content.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _unusable(path, f"cannot be read as .npz without objects ({error})") from error


def _from_columns(
    texts: NDArray[np.generic], embeddings: NDArray[np.generic], path: Path, name: str
) -> StoredTexts:
    if texts.ndim != 1 or texts.dtype.kind != "U":
        raise _unusable(path, f"has 'texts' of type {texts.dtype} and shape {texts.shape}")
    return StoredTexts(name, [str(text) for text in texts], _numbers(embeddings, path))


def _from_table(table: Mapping[str, NDArray[np.generic]], path: Path, name: str) -> StoredTexts:
    if not table:
        raise _unusable(path, "holds no text")
    rows = {
        text: np.squeeze(vector, axis=0) if _is_row(vector) else vector
        for text, vector in table.items()
    }
    shape = next(iter(rows.values())).shape
    for text, row in rows.items():
        if row.ndim != 1 or row.shape != shape:
            raise _unusable(path, f"has {text!r} with shape {row.shape}, the first with {shape}")
    return StoredTexts(name, list(rows), _numbers(np.stack(list(rows.values())), path))


def _is_row(vector: NDArray[np.generic]) -> bool:
    return vector.ndim == 2 and len(vector) == 1


def _numbers(values: NDArray[np.generic], path: Path) -> NDArray[np.floating]:
    if values.dtype.kind != "f":
        raise _unusable(path, f"has vectors of type {values.dtype}")
    return values.astype(np.float32)


def _unusable(path: Path, what: str) -> ModelError:
    return ModelError("MV2114", f"{path} {what}", expected=_FORMS)

"""Large weights in several safetensors files and an index of them, as on the Hugging Face hub.

``model-00001-of-00003.safetensors`` and so on, and ``model.safetensors.index.json``, which says for
each weight where it lies.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from medvlp.errors import ModelError
from medvlp.io import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import torch

__all__ = ["LARGEST_FILE", "index_path", "joined_names", "read_parts", "write_parts"]

LARGEST_FILE = 5_000_000_000
"""Bytes of weights in a file; a single weight may be larger."""

_INDEX = ".index.json"
_PART = re.compile(r"(?P<stem>[\w-]+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")


def index_path(path: Path) -> Path:
    """Return where the index of a file of weights lies.

    Args:
        path: The file, such as ``model.safetensors``.
    """
    return path.with_name(path.name + _INDEX)


def write_parts(
    path: Path, tensors: Mapping[str, torch.Tensor], *, largest: int = LARGEST_FILE
) -> list[str]:
    """Write weights into one file, or into several with an index where they are large.

    Args:
        path: The file that a single one would be.
        tensors: Weights by name, on the CPU, contiguous.
        largest: Bytes of weights in a file.

    Returns:
        The names of the files that were written.
    """
    parts: list[dict[str, torch.Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if parts[-1] and filled + tensor.nbytes > largest:
            parts.append({})
            filled = 0
        parts[-1][name] = tensor
        filled += tensor.nbytes
    if len(parts) == 1:
        save_file(parts[0], path, metadata={"format": "pt"})
        return [path.name]
    names = [f"{path.stem}-{at:05d}-of-{len(parts):05d}.safetensors" for at in _numbers(parts)]
    for name, part in zip(names, parts, strict=True):
        save_file(part, path.with_name(name), metadata={"format": "pt"})
    index = index_path(path)
    where = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(index, {"metadata": {"total_size": total}, "weight_map": where})
    return [*names, index.name]


def read_parts(path: Path) -> list[Path]:
    """Return the files that the index of a file of weights names, in their order.

    Args:
        path: The file that a single one would be.

    Raises:
        ModelError: If the index is none, or names what are no parts of these weights (MV1414).
    """
    index = index_path(path)
    try:
        where = json.loads(index.read_bytes())["weight_map"]
        names = sorted({str(name) for name in where.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(index, f"cannot be read ({type(error).__name__}: {error})") from error
    if joined_names(names, path.name) != {path.name}:
        raise _damaged(index, f"names {names[:3]}")
    return [path.with_name(name) for name in names]


def joined_names(names: Iterable[str], single: str) -> set[str]:
    """Return names of files with all parts of one file, and its index, replaced by its name.

    Args:
        names: Names of files.
        single: The file that is in parts, such as ``model.safetensors``. Where parts are missing
            the names stay as they are.
    """
    found = set(names)
    matches = [match for match in map(_PART.fullmatch, found) if match]
    parts = {match[0] for match in matches if f"{match['stem']}.safetensors" == single}
    counts = {match["count"] for match in matches if match[0] in parts}
    if not parts or len(counts) != 1 or len(parts) != int(counts.pop()):
        return found
    return (found - parts - {single + _INDEX}) | {single}


def _numbers(parts: list[dict[str, torch.Tensor]]) -> range:
    return range(1, len(parts) + 1)


def _damaged(index: Path, what: str) -> ModelError:
    return ModelError(
        "MV1414",
        f"{index} {what}",
        expected="weight_map: each weight's file, model-00001-of-0000N.safetensors to the last",
        hint="copy or download the folder again",
    )

"""Read released weights without running anything that is hidden in them."""

from __future__ import annotations

import pickle
import pickletools
import warnings
from typing import TYPE_CHECKING

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.restricted_pickle import read_archive
from medvlp.models.importers.source import refuse_pointer
from medvlp.models.importers.torch_archives import (
    READ_ERRORS,
    check_archive,
    damaged,
    hostile,
    is_archive,
)
from medvlp.models.weights import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_checkpoint", "read_record", "table_of_tensors"]

_CONTAINERS = ("state_dict", "model_state_dict", "model", "module")
_DEPTH = 4
_OLD_PICKLES = 5  # a number, the protocol, the system, the record and the names of its storages
_MAX_TUPLES = 50_000
_LOADER_ERRORS = (*READ_ERRORS, pickle.UnpicklingError)
# What torch's restricted loader says when it meets something other than plain data.
_REFUSALS = ("GLOBAL", "Trying to call reduce", "Can only", "TorchScript", "is blocked")


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint onto the CPU.

    A ``.safetensors`` file is read as such; any other name as a file of ``torch.save``, of which
    nothing is run: see :func:`read_record`. The tensors may lie inside ``state_dict`` or
    ``model``, and each name may begin with ``module.``, as training programs leave them.

    Args:
        path: The file.

    Returns:
        Tensors by name, any shapes and dtypes.

    Raises:
        ModelError: If the file is a pointer (MV2102), damaged (MV2103, MV1414), asks for a program
            to be run (MV2104), or holds no tensors (MV2103).
    """
    if path.suffix.lower() == ".safetensors":
        refuse_pointer(path)
        return _without_wrapper(read_safetensors(path))
    return _without_wrapper(_tensors(read_record(path), path))


def read_record(path: Path) -> object:
    """Read what a program saved with torch: tensors in plain containers.

    Archives, which torch has written since 1.6, are read by a machine that cannot run anything
    (:mod:`medvlp.models.importers.restricted_pickle`), in which objects of configurations are
    placeholders; older files by torch's restricted loader.

    Args:
        path: The file.

    Returns:
        The content; a :class:`medvlp.models.importers.restricted_pickle.Placeholder` stands for
        every object of a class.

    Raises:
        ModelError: If there is no such file (MV2100), it is a pointer (MV2102), damaged (MV2103),
            asks for a program to be run (MV2104), or unpacks to more than it is (MV2116).
    """
    refuse_pointer(path)
    if not path.is_file():
        raise ModelError("MV2100", f"{path} does not exist", expected="a file of weights")
    if is_archive(path):
        check_archive(path)
        return read_archive(path)
    return _load_old(path)


def _load_old(path: Path) -> object:
    """Load a file from before torch 1.6 with torch's restricted loader: plain tensors only."""
    tuples = _count_tuples(path)
    if tuples > _MAX_TUPLES:
        raise damaged(path, f"it has more than {_MAX_TUPLES} tuples")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that are read all the same
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except _LOADER_ERRORS as error:
        lines = [line.strip() for line in str(error).splitlines()]
        signs = (*_REFUSALS, "Unsupported operand") if _is_bare_pickle(path) else _REFUSALS
        refused = next((line for line in lines if any(sign in line for sign in signs)), None)
        if refused is not None:
            raise hostile(path, f"more ({refused})") from error
        raise damaged(path, lines[0] if lines else type(error).__name__) from error
    return content


def _count_tuples(path: Path) -> int:
    """Count the tuples of an old file: enough of them in one another end the program that reads.

    Python follows tuples in tuples without a bound when one of them is the key of a dictionary.
    """
    count = 0
    with path.open("rb") as stream:
        try:
            for _ in range(_OLD_PICKLES):
                for opcode, _, _ in pickletools.genops(stream):
                    count += opcode.name.startswith("TUPLE")
        except READ_ERRORS:
            pass  # torch says what is wrong with the file
    return count


def table_of_tensors(record: object, name: str, path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors under one name of a training program's record.

    Args:
        record: What :func:`read_record` returned.
        name: The name; a wrapper ``module.`` before all names below it is dropped.
        path: The file, for messages.

    Raises:
        ModelError: If there is no such name, or what it holds is no table of tensors (MV2103).
    """
    if not isinstance(record, dict) or not isinstance(record.get(name), dict):
        held = sorted(str(key) for key in record)[:8] if isinstance(record, dict) else "no names"
        raise ModelError(
            "MV2103",
            f"{path} holds no table of tensors under {name!r} ({held})",
            expected=f"a record of training with {name!r}",
            hint="check the kind that was named",
        )
    return _without_wrapper(_table(record[name], path))


def _is_bare_pickle(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(1) == pickle.PROTO


def _tensors(content: object, path: Path) -> dict[str, torch.Tensor]:
    """Return the mapping of tensors, taken out of a training program's record where needed."""
    for _ in range(_DEPTH):
        inner = content if isinstance(content, dict) else {}
        found = [inner[name] for name in _CONTAINERS if isinstance(inner.get(name), dict)]
        if not found:
            break
        content = found[0]
    return _table(content, path)


def _table(content: object, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, dict):
        found = {k: v for k, v in content.items() if _is_plain(v)}
        if found and len(found) == len(content):
            return {str(name): tensor.detach() for name, tensor in found.items()}
        others = sorted(str(name) for name in content.keys() - found.keys())
        raise ModelError(
            "MV2103",
            f"{path} holds {len(found)} tensors beside {others[:5]}",
            expected=f"a table of tensors, or one under {_CONTAINERS[0]!r}",
        )
    raise ModelError("MV2103", f"{path} holds a {type(content).__name__}", expected="tensors")


def _is_plain(value: object) -> bool:
    """Whether a value is a tensor whose numbers all lie in memory, each one once."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _without_wrapper(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if tensors and all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return dict(tensors)

"""Read released weights without running anything that is hidden in them."""

from __future__ import annotations

import pickle
import sys
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import TYPE_CHECKING, Any

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.source import refuse_pointer
from medvlp.models.weights import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_checkpoint"]

_CONTAINERS = ("state_dict", "model_state_dict", "model", "module")
_HARMLESS = frozenset({"argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath"})
# Modules whose objects no configuration is made of, under the names of Python 2 too: files of torch
# hold those.
_LIBRARY_ROOTS = {
    *(sys.stdlib_module_names - {"__main__"}),
    *(name.partition(".")[0] for name in IMPORT_MAPPING),
    *(module.partition(".")[0] for module, _ in NAME_MAPPING),
    "torch",
}
# What torch's restricted loader says when it meets something other than plain data.
_REFUSALS = ("GLOBAL", "Trying to call reduce", "Can only", "TorchScript", "is blocked")
_READ_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    EOFError,
    OSError,
    pickle.UnpicklingError,
)


class _Inert:
    """Stands for an object of a class that is not loaded; takes any state and does nothing."""

    def __new__(cls, *_args: object, **_kwargs: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint onto the CPU.

    A ``.safetensors`` file is read as such; any other name as a file of ``torch.save``, with
    torch's restricted loader. Objects of configuration classes in it become inert placeholders:
    the class is never looked up. The tensors may lie inside ``state_dict`` or ``model``, and each
    name may begin with ``module.``, as training programs leave them.

    Args:
        path: The file.

    Returns:
        Tensors by name, any shapes and dtypes.

    Raises:
        ModelError: If the file is a pointer (MV2102), damaged (MV2103, MV1414), asks for a program
            to be run (MV2104), or holds no tensors (MV2103).
    """
    refuse_pointer(path)
    if path.suffix.lower() == ".safetensors":
        return _without_wrapper(read_safetensors(path))
    if not path.is_file():
        raise ModelError("MV2100", f"{path} does not exist", expected="a file of weights")
    return _without_wrapper(_tensors(_load_pickle(path), path))


def _load_pickle(path: Path) -> object:
    """Load a pickle with torch's restricted loader, unknown classes as placeholders."""
    placeholders: list[Any] = [
        (type("_Inert", (_Inert,), {}), name) for name in _unknown_classes(path)
    ]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(placeholders):
            warnings.simplefilter("ignore")  # of pickle protocols that are read all the same
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        lines = [line.strip() for line in str(error).splitlines()]
        signs = _REFUSALS if _is_zip_or_text(path) else (*_REFUSALS, "Unsupported operand")
        refused = next((line for line in lines if any(sign in line for sign in signs)), None)
        if refused is not None:
            raise _hostile(path, f"more ({refused})") from error
        raise _damaged(path, lines[0] if lines else type(error).__name__) from error
    return content


def _is_zip_or_text(path: Path) -> bool:
    """Whether a file is something else than a bare pickle, which begins with byte 128."""
    with path.open("rb") as stream:
        return stream.read(1) != pickle.PROTO


def _unknown_classes(path: Path) -> list[str]:
    """Return the dotted names in a pickle that torch does not know, none of them of a library.

    Raises:
        ModelError: If a name belongs to Python's or torch's own modules (MV2104): released
            configurations hold no such objects, and programs hidden in a pickle begin with one.
    """
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except ValueError as error:
        if "torchscript" in str(error):
            raise _hostile(path, "a TorchScript program") from error
        return []  # written before torch 1.6; the restricted loader then takes plain tensors only
    except _READ_ERRORS as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error
    for name in names:
        if name.partition(".")[0] in _LIBRARY_ROOTS and name not in _HARMLESS:
            raise _hostile(path, name)
    return names


def _tensors(content: object, path: Path) -> dict[str, torch.Tensor]:
    """Return the mapping of tensors, taken out of a training program's record where needed."""
    if isinstance(content, dict):
        for container in _CONTAINERS:
            inner = content.get(container)
            if isinstance(inner, dict):
                return _tensors(inner, path)
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
    """Whether a value is a tensor whose numbers lie in memory, one after the other."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
    )


def _without_wrapper(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if tensors and all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def _hostile(path: Path, found: str) -> ModelError:
    return ModelError(
        "MV2104",
        f"{path} does not hold plain tensors but asks for {found}",
        expected="tensors and configuration values",
        hint="nothing of it was run; take the file from its authors, or a .safetensors file",
    )


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(
        "MV2103",
        f"{path} cannot be read as a checkpoint ({reason})",
        hint="copy or download the file again; it is cut short or is of another format",
    )

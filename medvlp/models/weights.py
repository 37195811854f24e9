"""Read weights without running code, prove that they are numbers, name them by their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from medvlp.errors import ModelError
from medvlp.models.weight_parts import index_path, read_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "check_finite",
    "check_fit",
    "load_weights_into",
    "read_safetensors",
    "refuse_pickle",
    "weights_sha256",
]

_PICKLE_SUFFIXES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".th"}
_SHOWN = 5


def refuse_pickle(path: Path) -> None:
    """Refuse a file whose name says that it is a Python pickle.

    Raises:
        ModelError: If the suffix is one of pickled weights (MV1406).
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise ModelError(
            "MV1406",
            f"{path} is a pickle file, and loading one can run a program hidden in it",
            expected="a folder with medvlp.json, or a .safetensors file",
            hint="convert it with torch.load(weights_only=True) and safetensors.torch.save_file",
        )


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a safetensors file onto the CPU.

    Where the file is missing and its index lies in its place, the parts that the index names are
    read: large weights are published in several files.

    Raises:
        ModelError: If the file is missing (MV1403), a pickle (MV1406), or damaged (MV1414).
    """
    refuse_pickle(path)
    if not path.is_file() and index_path(path).is_file():
        parts = read_parts(path)
        return {name: tensor for part in parts for name, tensor in read_safetensors(part).items()}
    if not path.is_file():
        raise ModelError("MV1403", f"{path} does not exist", expected="a .safetensors file")
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            "MV1414",
            f"{path} cannot be read as safetensors ({error})",
            hint="copy or download the file again; it is cut short or is of another format",
        ) from error


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Return a hash of names, types, shapes and values, in the order of the names.

    Equal weights give the equal hash on every device and in every file format.

    Args:
        state: Tensors by name, any shapes and dtypes.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        header = f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{tuple(tensor.shape)}\0"
        digest.update(header.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_finite(state: Mapping[str, torch.Tensor], source: str) -> None:
    """Refuse weights that hold NaN or infinity.

    Args:
        state: Tensors by name.
        source: Where the weights come from, as it stands in the message.

    Raises:
        ModelError: If a value is not finite (MV1405); the first such parameter is named.
    """
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        # The smallest and the largest value are NaN where any value is, and take one fast pass.
        if not all(bool(extreme.isfinite()) for extreme in torch.aminmax(tensor)):
            bad = int(tensor.numel() - torch.isfinite(tensor).sum())
            raise ModelError(
                "MV1405",
                f"weights of {source}: parameter {name!r} holds {bad} values that are NaN or "
                f"infinite, of {tensor.numel()}",
                hint="the training diverged or the file is damaged; use an earlier copy",
            )


def load_weights_into(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str
) -> None:
    """Fill a module with weights; every name and every shape must agree.

    Raises:
        ModelError: If names or shapes differ (MV1409) or a value is not finite (MV1405).
    """
    check_fit(module, state, source)
    check_finite(state, source)
    module.load_state_dict(state, strict=True)


def check_fit(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Refuse weights whose names or shapes are not those of a module, be it on the meta device.

    Raises:
        ModelError: If names or shapes differ (MV1409).
    """
    wanted = module.state_dict()
    complaints = _difference("missing", wanted.keys() - state.keys())
    complaints += _difference("unexpected", state.keys() - wanted.keys())
    complaints += [
        f"{name!r} is {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ][:_SHOWN]
    if complaints:
        raise ModelError(
            "MV1409",
            f"weights of {source} do not fit the architecture: {'; '.join(complaints)}",
            hint="the file belongs to another architecture or to other settings of it",
        )


def _difference(kind: str, names: set[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(repr(name) for name in sorted(names)[:_SHOWN])
    return [f"{len(names)} {kind} ({shown}{', ...' if len(names) > _SHOWN else ''})"]

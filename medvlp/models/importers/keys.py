"""Compare the names and shapes of released weights with those that an architecture has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import ModelError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

__all__ = ["check_keys", "drop_known_buffers"]

_SHOWN = 5


def check_keys(
    found: Mapping[str, torch.Tensor],
    wanted: Mapping[str, Iterable[int]],
    source: str,
) -> None:
    """Refuse weights whose names or shapes are not exactly the wanted ones.

    Args:
        found: Tensors by the name they have in the release.
        wanted: Shapes by the same names.
        source: Where the weights come from, for the message.

    Raises:
        ModelError: If names are missing or unexpected (MV2105, with the nearest names), or shapes
            differ (MV2106).
    """
    missing = sorted(wanted.keys() - found.keys())
    unexpected = sorted(found.keys() - wanted.keys())
    complaints = [
        _listed("missing", missing, unexpected),
        _listed("unexpected", unexpected, missing),
    ]
    if missing or unexpected:
        raise ModelError(
            "MV2105",
            f"{source} is not of this layout: {'; '.join(text for text in complaints if text)}",
            expected=f"{len(wanted)} tensors",
            hint="check the kind that was named, and that settings and weights are of one release",
        )
    shapes = {name: tuple(shape) for name, shape in wanted.items()}
    wrong = [name for name in sorted(shapes) if tuple(found[name].shape) != shapes[name]]
    if wrong:
        shown = "; ".join(
            f"{name!r} is {tuple(found[name].shape)} instead of {shapes[name]}"
            for name in wrong[:_SHOWN]
        )
        raise ModelError(
            "MV2106",
            f"{len(wrong)} tensors of {source} have another shape: {shown}",
            hint="the settings belong to another size of the model",
        )


def drop_known_buffers(
    tensors: Mapping[str, torch.Tensor], suffixes: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Leave out tables that old versions of a library stored and that it now computes.

    Args:
        tensors: Tensors by name.
        suffixes: Ends of the names to leave out.
    """
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(suffixes)}


def _listed(kind: str, names: list[str], others: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(f"{name!r}{nearest_name(name, others)}" for name in names[:_SHOWN])
    return f"{len(names)} {kind}: {shown}{', ...' if len(names) > _SHOWN else ''}"

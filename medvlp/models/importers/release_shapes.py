"""What importers share: sizes read from shapes, settings made of them, tensors taken by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.importers.keys import check_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch

__all__ = [
    "count_numbered",
    "parse_settings",
    "require",
    "size_of",
    "take_tensors",
    "without_parts",
]

_ModelT = TypeVar("_ModelT", bound=StrictModel)


def parse_settings(values: Mapping[str, Any], model: type[_ModelT], source: str) -> _ModelT:
    """Return settings that were read from a release.

    Raises:
        ModelError: If they are not possible or not supported (MV2101).
    """
    try:
        return parse_model(values, model, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error


def size_of(tensor: torch.Tensor, axis: int = 0) -> int:
    """Return the length of a tensor along an axis; 0 where there is no such axis."""
    return tensor.shape[axis] if tensor.ndim > axis else 0


def require(tensors: Mapping[str, torch.Tensor], name: str, source: str) -> torch.Tensor:
    """Return a tensor whose shape tells a size of the network.

    Raises:
        ModelError: If there is no such tensor (MV2105).
    """
    if name not in tensors:
        raise ModelError(
            "MV2105",
            f"{source} is not of this layout: there is no {name!r}",
            hint="check the kind that was named",
        )
    return tensors[name]


def without_parts(
    tensors: Mapping[str, torch.Tensor], prefixes: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Leave out parts of a release that its embeddings do not depend on."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def count_numbered(names: Iterable[str], prefix: str) -> int:
    """Return how many parts are numbered behind a prefix: 2 for ``p.0.w``, ``p.1.w``, ``p.1.b``."""
    parts = (name[len(prefix) :].partition(".")[0] for name in names if name.startswith(prefix))
    return len({part for part in parts if part.isdecimal()})


def take_tensors(
    found: Mapping[str, torch.Tensor],
    wanted: Mapping[str, Iterable[int]],
    theirs: Callable[[str], str],
    source: str,
) -> dict[str, torch.Tensor]:
    """Take the tensors of our model out of a release; each must be there, and no other.

    Args:
        found: Tensors by the name they have in the release.
        wanted: Shapes by the name of ours.
        theirs: What the release calls a tensor of ours.
        source: Where the weights come from, for messages.

    Returns:
        Tensors by the name of ours, numbers with a point as float32.

    Raises:
        ModelError: If names (MV2105) or shapes (MV2106) differ.
    """
    check_keys(found, {theirs(name): shape for name, shape in wanted.items()}, source)
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in ((name, found[theirs(name)]) for name in wanted)
    }

"""Nested state, as trainers and optimisers give it, taken apart into tensors and plain JSON.

Nothing is pickled: what is neither a tensor nor a plain value is refused by its path, so a state
that could not be read back is never written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from medvlp.errors import OutputError

__all__ = ["Document", "join_state", "refusal", "split_state"]

Document = Any
"""What JSON holds."""

State = Any
"""Nested dictionaries, lists, tuples, plain values and tensors."""

_KIND = "~"
"""Key of the JSON objects that stand for something else than themselves."""


def split_state(state: Mapping[str, Any]) -> tuple[Document, dict[str, torch.Tensor]]:
    """Take a state apart.

    Tensors that are the same memory seen in the same way are stored once.

    Args:
        state: Dictionaries with text or integer keys, lists, tuples, numbers, texts, None and
            tensors.

    Returns:
        What JSON holds, and the tensors by path, detached and not copied.

    Raises:
        OutputError: MV1708 for a value or key of another kind, naming its path.
    """
    splitter = _Splitter()
    return splitter.take(state, ""), splitter.tensors


def join_state(document: Document, tensors: Mapping[str, torch.Tensor]) -> State:
    """Put a state together again.

    Args:
        document: What :func:`split_state` returned first.
        tensors: What it returned second.

    Raises:
        ValueError: If a tensor is missing, or the document was not made by :func:`split_state`.
    """
    if isinstance(document, list):
        return [join_state(item, tensors) for item in document]
    if not isinstance(document, dict):
        return document
    if _KIND not in document:
        return {key: join_state(value, tensors) for key, value in document.items()}
    return _join_special(document, tensors)


def _join_special(document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> State:
    kind = document[_KIND]
    if kind == "tensor" and document.get("path") in tensors:
        return tensors[document["path"]]
    if kind == "number":
        return float(document["value"])
    if kind == "tuple":
        return tuple(join_state(item, tensors) for item in document["items"])
    if kind == "dict":
        return {key: join_state(value, tensors) for key, value in document["items"]}
    raise ValueError(f"{kind!r} with {sorted(map(str, document))} is nothing that was stored")


class _Splitter:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._seen: dict[tuple[object, ...], str] = {}

    def take(self, value: State, path: str) -> Document:
        if isinstance(value, torch.Tensor):
            return {_KIND: "tensor", "path": self._take_tensor(value, path)}
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            plain = float(value)
            return plain if math.isfinite(plain) else {_KIND: "number", "value": repr(plain)}
        if isinstance(value, Mapping):
            return self._take_mapping(value, path)
        if type(value) in (list, tuple):
            items = [self.take(item, f"{path}/{at}") for at, item in enumerate(value)]
            return items if isinstance(value, list) else {_KIND: "tuple", "items": items}
        raise refusal(path, f"a {type(value).__module__}.{type(value).__qualname__}")

    def _take_mapping(self, value: Mapping[Any, Any], path: str) -> Document:
        for key in value:
            if type(key) not in (str, int):
                raise refusal(path, f"a key of type {type(key).__qualname__}")
        taken = [[key, self.take(item, f"{path}/{key}")] for key, item in value.items()]
        if all(isinstance(key, str) for key in value) and _KIND not in value:
            return dict(taken)
        return {_KIND: "dict", "items": taken}

    def _take_tensor(self, value: torch.Tensor, path: str) -> str:
        detached = value.detach()
        place = (
            *(detached.device, detached.dtype, detached.data_ptr()),
            *(tuple(detached.shape), detached.stride()),
        )
        if detached.numel() and place in self._seen:
            return self._seen[place]
        self._seen[place] = path
        self.tensors[path] = detached  # held, so that no other tensor is put where it lies
        return path


def refusal(path: str, what: str) -> OutputError:
    """Return the error about a part of a state that cannot be stored.

    Args:
        path: Where it stands.
        what: What it is.
    """
    return OutputError(
        "MV1708",
        f"the state of the run holds {what} at {path or '/'}",
        expected="tensors, numbers, texts, lists, tuples and dictionaries of them",
        hint="a callback that keeps such a state cannot be resumed; leave it out",
    )

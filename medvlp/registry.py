"""Choose an implementation by name; a wrong name is answered with the valid ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from medvlp.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named implementations of one kind.

    Args:
        kind: What the entries are, as it stands in messages ("objective").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds an entry under ``name``.

        Raises:
            ValueError: If the name is taken.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                msg = f"{self.kind} {name!r} is registered twice"
                raise ValueError(msg)
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """Return the entry of a name.

        Raises:
            ConfigError: If no entry has the name (MV1003); the valid names are listed.
        """
        if name not in self._entries:
            raise ConfigError(
                "MV1003",
                f"{self.kind} {name!r} is unknown{nearest_name(name, self._entries)}",
                expected=f"one of {sorted(self._entries)}",
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in alphabetical order."""
        return iter(sorted(self._entries))

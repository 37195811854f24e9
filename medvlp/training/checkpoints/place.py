"""Where a run stands in the order of its samples: kept with its state, handed to its loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from medvlp.data.loading import OrderedLoader
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MakesLoader", "PlaceInOrder", "place_of"]


class MakesLoader(Protocol):
    """Data of a trainer, as far as it is asked here."""

    train_dataloader: Callable[[], object]


def place_of(loader: object) -> dict[str, Any] | None:
    """Return where a loader stands, as plain values; None if it follows no order.

    Args:
        loader: The loader of the training.
    """
    return loader.state_dict() if isinstance(loader, OrderedLoader) else None


class PlaceInOrder:
    """The place that a run is taken up at, until a loader has it."""

    def __init__(self) -> None:
        self._is_taken_up = False
        self._was_told = False
        self._place: dict[str, Any] | None = None

    def take_up(self, place: dict[str, Any] | None, data: MakesLoader | None) -> None:
        """Let the loader of a run begin at a place.

        The loader is made here, so that other data is refused before anything else is taken up,
        and because a trainer lets it read ahead before it looks at the state of its loops.

        Args:
            place: What :func:`place_of` returned when the state was kept.
            data: What makes the loader.

        Raises:
            DataError: MV1752 or MV1753 if the place belongs to another order.
        """
        self._is_taken_up, self._was_told, self._place = True, place is not None, place
        if place is None or data is None:
            return
        make = data.train_dataloader
        made = [make()]
        if isinstance(made[0], OrderedLoader):
            made[0].load_state_dict(place)
            self._place = None
        data.train_dataloader = lambda: made.pop() if made else make()

    def check_handed_over(self, loader: object) -> None:
        """Refuse to go on with the samples at another place than where the run stood.

        Args:
            loader: The loader of the training.

        Raises:
            DataError: MV1711.
        """
        has_order = isinstance(loader, OrderedLoader)
        if self._is_taken_up and (self._place is not None or self._was_told != has_order):
            raise DataError(
                "MV1711",
                f"the run's checkpoint {'tells' if self._was_told else 'does not tell'} a place in "
                f"the order of samples, and the data of this run {'has' if has_order else 'has no'}"
                f"{' one' if has_order else ' order'}",
                expected="the data that the run began with",
                hint="restore it, or give the new run a folder of its own",
            )

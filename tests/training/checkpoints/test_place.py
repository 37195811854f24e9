"""A run goes on at its place in the order of samples, or not at all."""

from types import SimpleNamespace

import pytest

from medvlp.data.loading import OrderedLoader, ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.errors import DataError
from medvlp.training.checkpoints.place import PlaceInOrder, place_of


def loader(data_hash: str = "a") -> OrderedLoader:
    order = OrderSettings(seed=1, batch_size=2)
    return ordered_loader(
        list(range(8)),
        order,
        list,
        num_samples=8,
        data_hash=data_hash,
        num_workers=0,
        trainer=None,
    )


def trained(steps: int) -> OrderedLoader:
    found = loader()
    for _ in range(steps):
        found.order.advance()
    return found


def test_place_of__is_known_where_there_is_an_order() -> None:
    assert place_of([1, 2]) is None
    told = place_of(trained(3))
    assert told is not None
    assert told["samples_consumed"] == 6


def test_place_in_order__is_where_the_first_loader_begins() -> None:
    place, data = PlaceInOrder(), SimpleNamespace(train_dataloader=loader)
    place.take_up(place_of(trained(3)), data)
    made = data.train_dataloader()
    assert place_of(made) == place_of(trained(3))
    place.check_handed_over(made)
    assert place_of(data.train_dataloader()) == place_of(trained(0))


def test_place_in_order__is_refused_by_other_data() -> None:
    data = SimpleNamespace(train_dataloader=lambda: loader("b"))
    with pytest.raises(DataError, match="data_hash: 'a' there, 'b' here") as caught:
        PlaceInOrder().take_up(place_of(trained(1)), data)
    assert caught.value.code == "MV1752"


@pytest.mark.parametrize("is_told", [True, False])
def test_place_in_order__is_not_lost_silently(is_told: bool) -> None:
    place, data = PlaceInOrder(), SimpleNamespace(train_dataloader=list)
    place.check_handed_over([])
    place.check_handed_over(loader())
    place.take_up(place_of(trained(1)) if is_told else None, data)
    with pytest.raises(DataError, match="order of samples") as caught:
        place.check_handed_over([] if is_told else loader())
    assert caught.value.code == "MV1711"

"""Names find their entries; wrong names are answered with the right ones."""

import pytest

from medvlp.errors import ConfigError
from medvlp.registry import Registry


def table() -> Registry[int]:
    registry = Registry[int]("objective")
    registry.register("keep")(1)
    registry.register("clip")(2)
    return registry


def test_registry__returns_the_entry_of_a_name() -> None:
    assert table().get("clip") == 2


def test_registry__lists_names_in_order() -> None:
    assert list(table()) == ["clip", "keep"]


def test_registry__answers_a_wrong_name_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"objective 'kep' is unknown .did you mean 'keep'"
    ) as info:
        table().get("kep")
    assert "['clip', 'keep']" in str(info.value)


def test_registry__refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        table().register("keep")(3)

import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.classes import CLASSES, DIAGNOSES, GLASS, TUMORS, find_class


def test_classes__codes_are_positions_and_names_are_unique():
    names = [name for item in CLASSES for name in (item.key, *item.names)]

    assert [item.code for item in CLASSES] == list(range(len(CLASSES)))
    assert GLASS.code == 0
    assert len(set(names)) >= len(names) - 2  # "stroma" and "fat" are keys and names


def test_diagnoses__are_four_tumors_and_normal():
    assert len(TUMORS) == 4
    assert DIAGNOSES == (*TUMORS, "normal")
    assert all(find_class(key).is_tumor for key in TUMORS)
    assert not find_class("normal").is_tumor


def test_find_class__names_the_nearest_key():
    with pytest.raises(PhantomError, match="did you mean 'papillary'") as caught:
        find_class("papilary")
    assert caught.value.code == "MV1901"

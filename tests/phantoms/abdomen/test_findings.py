"""Classes of attributes."""

import pytest

from medvlp.phantoms.abdomen.findings import (
    ATTRIBUTES,
    KidneyFindings,
    Mass,
    SimpleCyst,
    attributes_of,
)


def mass(**settings):
    given = {"kind": "solid", "size_mm": 30.0, "exophytic": 0.3, "direction": (0.0, -1.0, 0.0)}
    return Mass(**{**given, **settings})


def test_attributes__of_a_normal_kidney_say_none_and_leave_the_rest_open():
    found = attributes_of(KidneyFindings())
    assert KidneyFindings().is_normal
    assert list(found) == list(ATTRIBUTES)
    stated = {name: word for name, word in found.items() if word is not None}
    assert stated == dict.fromkeys(("mass", "cyst", "stones", "hydronephrosis"), "none")


@pytest.mark.parametrize(
    ("settings", "name", "word"),
    [
        ({"size_mm": 40.0}, "size", "up to 4 cm"),
        ({"size_mm": 41.0}, "size", "4 to 7 cm"),
        ({"size_mm": 71.0}, "size", "over 7 cm"),
        ({"exophytic": 0.0}, "growth", "endophytic"),
        ({"exophytic": 0.49}, "growth", "less than half exophytic"),
        ({"exophytic": 0.5}, "growth", "half or more exophytic"),
        ({"direction": (0.8, -0.6, 0.0)}, "pole", "upper"),
        ({"direction": (-0.8, -0.6, 0.0)}, "pole", "lower"),
        ({"direction": (0.1, -0.9, 0.4)}, "pole", "middle"),
        ({"direction": (0.1, -0.9, 0.4)}, "face", "posterior"),
        ({"direction": (0.1, -0.9, -0.4)}, "face", "anterior"),
        ({"direction": (0.6, -0.8, 0.0)}, "face", "lateral"),
        ({"has_fat": True}, "fat", "present"),
        ({"kind": "complex cyst", "septa": "thick"}, "septa", "thick"),
        ({"kind": "complex cyst"}, "necrosis", None),
        ({"kind": "solid"}, "septa", None),
    ],
)
def test_attributes__of_a_mass_follow_its_measures(settings, name, word):
    found = attributes_of(KidneyFindings(mass=mass(**settings)))
    assert found[name] == word
    assert word is None or word in ATTRIBUTES[name]


def test_attributes__count_cysts_and_stones():
    cyst = SimpleCyst(size_mm=10, exophytic=0.5, direction=(0.0, -1.0, 0.0))
    findings = KidneyFindings(cysts=(cyst,), stones_mm=(3.0, 4.0, 5.0))
    found = attributes_of(findings)
    assert not findings.is_normal
    assert (found["cyst"], found["stones"]) == ("single", "multiple")

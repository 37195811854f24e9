import pytest

from medvlp.text.reports.schema import load_schema
from medvlp.volumes.renal_classes import (
    ENDOPHYTIC_BELOW,
    growth_of,
    location_of,
    points_of,
    size_class,
)


def test_classes__are_those_of_reports() -> None:
    schema = load_schema("kidney").attributes
    sizes = [1.0, 40.0, 40.1, 70.0, 70.1, 100.0, 100.1, 240.0]
    assert [size_class(mm) for mm in sizes] == [schema["mass_size"].class_of(mm) for mm in sizes]
    assert {growth_of(share) for share in (0.0, 0.3, 0.9)} == set(schema["growth"].class_names)
    places = {location_of(place) for place in (0.1, 0.5, 0.9)}
    assert places | {"hilar"} == set(schema["polar_location"].class_names)


def test_growth__changes_at_its_limits() -> None:
    assert growth_of(ENDOPHYTIC_BELOW - 1e-9) == "endophytic"
    assert growth_of(ENDOPHYTIC_BELOW) == "partly exophytic"
    assert growth_of(0.4999) == "partly exophytic"
    assert growth_of(0.5) == "mostly exophytic"


def test_location__is_a_third_of_the_kidney() -> None:
    places = (-0.4, 0.32, 0.34, 0.66, 0.67, 1.3)
    assert [location_of(place) for place in places] == (
        ["lower pole"] * 2 + ["interpolar"] * 2 + ["upper pole"] * 2
    )


@pytest.mark.parametrize(
    ("size_mm", "points"), [(12, 1), (40, 1), (40.1, 2), (69.9, 2), (70, 3), (150, 3)]
)
def test_points__of_size_change_at_4_and_7_cm(size_mm: float, points: int) -> None:
    assert points_of(size_mm, None, None, None).radius == points


@pytest.mark.parametrize(("share", "points"), [(0.9, 1), (0.5, 1), (0.3, 2), (0.02, 3)])
def test_points__of_growth_are_most_for_what_lies_inside(share: float, points: int) -> None:
    assert points_of(30, share, None, None).exophytic == points


@pytest.mark.parametrize(
    ("thirds", "reach", "points"),
    [
        ((1.0, 0.0, 0.0), (0.7, 1.2), 1),
        ((0.0, 0.0, 1.0), (-0.1, 0.33), 1),
        ((0.8, 0.2, 0.0), (0.6, 1.0), 2),
        ((0.4, 0.6, 0.0), (0.51, 0.8), 3),
        ((0.0, 1.0, 0.0), (0.35, 0.45), 3),
        ((0.7, 0.3, 0.0), (0.45, 1.1), 3),
    ],
)
def test_points__of_location_follow_the_polar_lines(
    thirds: tuple[float, float, float], reach: tuple[float, float], points: int
) -> None:
    assert points_of(30, None, thirds, reach).polar == points


def test_points__are_missing_where_no_kidney_is_near() -> None:
    found = points_of(30, None, None, None)
    assert (found.radius, found.exophytic, found.polar) == (1, None, None)

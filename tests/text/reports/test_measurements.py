import random
from fractions import Fraction

import pytest

from medvlp.text.reports.measurements import find_measurements


def read(text: str) -> list[tuple[tuple[float, ...], str, str]]:
    return [(m.values_mm, m.kind, m.bound) for m in find_measurements(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cyst of 12 mm", [((12.0,), "single", "exact")]),
        ("a cyst of 4.1 cm", [((41.0,), "single", "exact")]),
        ("a cyst of 1,5 cm", [((15.0,), "single", "exact")]),
        ("5.5mm nodule", [((5.5,), "single", "exact")]),
        ("4.5x3mm", [((4.5, 3.0), "size", "exact")]),
        ("4 x 3.5 x 2 cm mass", [((40.0, 35.0, 20.0), "size", "exact")]),
        ("4 cm x 35 mm", [((40.0, 35.0), "size", "exact")]),
        ("22 \u00d7 14 mm", [((22.0, 14.0), "size", "exact")]),
        ("3 by 2 centimetres", [((30.0, 20.0), "size", "exact")]),
        ("2.3 and 3 mm in diameter", [((2.3, 3.0), "list", "exact")]),
        ("10-12 mm", [((10.0, 12.0), "range", "exact")]),
        ("1 to 1.5 cm", [((10.0, 15.0), "range", "exact")]),
        ("less than 1 cm", [((10.0,), "single", "below")]),
        ("> 3 cm", [((30.0,), "single", "above")]),
        ("up to 8 mm", [((8.0,), "single", "below")]),
        ("a few mm", [((), "vague", "exact")]),
        ("millimetric cysts", [((), "vague", "exact")]),
        ("6 mm, formerly 4 mm", [((6.0,), "single", "exact"), ((4.0,), "single", "exact")]),
        ("7x4 mm and 9 mm", [((7.0, 4.0), "size", "exact"), ((9.0,), "single", "exact")]),
    ],
)
def test_find_measurements__reads(text: str, expected: object) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "12 HU",
        "segment 4",
        "3 mm2",
        "5 cm\u00b3",
        "120 mm Hg",
        "120 mmHg",
        "8 mm/s",
        "on 07.02.2022",
        "5 cmH2O",
        "mm",
        "",
    ],
)
def test_find_measurements__passes_over_what_is_no_length(text: str) -> None:
    assert read(text) == []


def test_find_measurements__is_exact_on_numbers_drawn_at_random() -> None:
    draw = random.Random(3)
    for _ in range(500):
        unit, factor = draw.choice([("mm", 1), ("cm", 10), (" mm", 1), (" cm", 10)])
        tenths = [draw.randrange(1, 2000) for _ in range(draw.randint(1, 3))]
        joiner = draw.choice(["x", " x ", " X ", " \u00d7 "])
        text = f"measuring {joiner.join(f'{t / 10:g}' for t in tenths)}{unit} in the kidney"
        (found,) = find_measurements(text)
        assert found.values_mm == tuple(float(Fraction(t, 10) * factor) for t in tenths), text
        assert found.largest_mm == max(found.values_mm)
        assert text[found.start : found.end].endswith(unit.strip())


def test_find_measurements__has_no_largest_value_where_it_is_vague() -> None:
    assert find_measurements("a few millimeters")[0].largest_mm is None


def test_find_measurements__is_quick_on_long_rows_of_numbers() -> None:
    assert len(find_measurements("3 x " * 5_000 + "3 mm")[0].values_mm) == 5_001
    assert find_measurements("1," * 20_000) == ()

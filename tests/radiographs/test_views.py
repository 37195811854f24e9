"""Views and sides as headers state them; pictures are turned only where one says so."""

from __future__ import annotations

import numpy as np
import pytest

from medvlp.radiographs.views import laterality_of, upright, view_of

# Where the patient's head (H) and left hand (L) are in an upright frontal picture.
UPRIGHT = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]], np.float32)


@pytest.mark.parametrize(
    ("position", "codes", "orientation", "expected"),
    [
        ("PA", (), (), "PA"),
        ("AP", (), ("L", "F"), "AP"),
        ("LL", (), (), "LATERAL"),
        ("RL", (), (), "LATERAL"),
        ("LATERAL", (), (), "LATERAL"),
        ("", ("R-10214",), (), "PA"),
        ("", ("399348003",), (), "AP"),
        ("", ("R-10236",), (), "LATERAL"),
        ("", ("272479007",), (), "PA"),
        ("PA", ("R-10214",), (), "PA"),
        ("", ("R-10206",), (), "AP"),
        ("", (), ("A", "F"), "LATERAL"),
        ("", (), ("P", "F"), "LATERAL"),
        ("", (), ("L", "F"), None),
        ("LLD", (), ("L", "F"), None),
        ("RAO", (), ("A", "F"), None),
        ("", ("12345",), (), None),
    ],
)
def test_view_of__reads_words_codes_and_orientation(
    position: str, codes: tuple[str, ...], orientation: tuple[str, ...], expected: str | None
) -> None:
    assert view_of(position, codes, orientation) == (expected, ())


def test_view_of__does_not_choose_between_two() -> None:
    view, notes = view_of("PA", ("R-10206",), ())
    assert view is None
    assert notes == ("the header states two views: AP and PA",)


def test_laterality_of__takes_the_first_that_states_a_side() -> None:
    assert laterality_of("R", "L") == "R"
    assert laterality_of("", "L") == "L"
    assert laterality_of("U", "B") is None


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (("L", "F"), UPRIGHT),
        (("R", "F"), UPRIGHT[:, ::-1]),
        (("L", "H"), UPRIGHT[::-1]),
        (("R", "H"), UPRIGHT[::-1, ::-1]),
        (("F", "L"), UPRIGHT.T),
        (("H", "L"), UPRIGHT[::-1].T),
        (("F", "R"), UPRIGHT[:, ::-1].T),
        (("H", "R"), UPRIGHT[::-1, ::-1].T),
        (("LH", "FR"), UPRIGHT),
    ],
)
def test_upright__undoes_every_way_to_lie(orientation: tuple[str, str], stored: np.ndarray) -> None:
    spacing = (1.0, 2.0) if stored.shape == UPRIGHT.shape else (2.0, 1.0)
    pixels, spacing_mm, notes = upright(stored, spacing, orientation)
    np.testing.assert_array_equal(pixels, UPRIGHT)
    assert spacing_mm == (1.0, 2.0)
    assert bool(notes) == (orientation not in {("L", "F"), ("LH", "FR")})


def test_upright__keeps_the_direction_of_a_lateral_view() -> None:
    for across in "AP":
        np.testing.assert_array_equal(upright(UPRIGHT, None, (across, "F"))[0], UPRIGHT)
        np.testing.assert_array_equal(upright(UPRIGHT[::-1], None, (across, "H"))[0], UPRIGHT)


@pytest.mark.parametrize(
    "orientation", [(), ("L",), ("", ""), ("X", "Y"), ("L", "R"), ("F", "H"), ("A", "L")]
)
def test_upright__leaves_what_is_not_stated(orientation: tuple[str, ...]) -> None:
    pixels, _, notes = upright(UPRIGHT, None, orientation)
    np.testing.assert_array_equal(pixels, UPRIGHT)
    assert notes == ()

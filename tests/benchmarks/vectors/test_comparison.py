"""When two arrays agree, and how the error is stated."""

import numpy as np
import pytest

from benchmarks.vectors.comparison import FLOAT64, FamilyCheck, Tolerance, compare

LOOSE = Tolerance(rtol=0.1, atol=0.01)


@pytest.mark.parametrize(
    ("actual", "agrees"), [(1.0, True), (1.109, True), (1.111, False), (0.0, False)]
)
def test_compare__accepts_exactly_what_the_tolerance_allows(actual: float, agrees: bool) -> None:
    quantity = compare("x", np.asarray(1.0), actual, LOOSE)
    assert quantity.agrees == agrees
    assert agrees == np.isclose(actual, 1.0, rtol=LOOSE.rtol, atol=LOOSE.atol)


def test_compare__takes_numbers_that_are_not_finite_as_equal_only_to_themselves() -> None:
    expected = np.asarray([np.nan, np.inf, 1.0])
    assert compare("x", expected, [np.nan, np.inf, 1.0], FLOAT64).agrees
    assert not compare("x", expected, [0.0, np.inf, 1.0], FLOAT64).agrees
    assert not compare("x", expected, [np.nan, np.inf, np.nan], FLOAT64).agrees


def test_compare__wants_labels_to_be_equal_and_shapes_to_match() -> None:
    assert compare("x", np.asarray([1, 2]), [1, 2], LOOSE).agrees
    assert not compare("x", np.asarray([1, 2]), [1, 3], LOOSE).agrees
    assert not compare("x", np.asarray([1.0, 1.0]), 1.0, LOOSE).agrees
    assert compare("x", np.zeros((0, 3)), np.zeros((0, 3)), LOOSE).agrees


def test_family_check__finds_names_and_tolerances_by_pattern() -> None:
    check = FamilyCheck(lambda arrays: {}, ("in_*", "k"), tolerances={"grad_*": LOOSE})
    names = {"in_a": 0, "k": 0, "kk": 0, "grad_x": 0}
    assert check.expected_names(names) == ["kk", "grad_x"]
    assert check.tolerance_of("grad_x") is LOOSE
    assert check.tolerance_of("kk") is FLOAT64

"""Errors carry their parts through processes and into one readable line."""

import pickle

import pytest

from medvlp.errors import MedvlpError, SlideError, UsageError, nearest_name


def test_error__reads_as_code_what_expected_hint() -> None:
    error = SlideError("MV1203", "a.svs has no mpp", expected="a scale", hint="pass --slide-mpp")
    assert str(error) == "MV1203: a.svs has no mpp; expected a scale - pass --slide-mpp"
    assert error.reason == "a.svs has no mpp; expected a scale"


def test_error__leaves_out_what_is_empty() -> None:
    assert str(MedvlpError("MV1600", "it broke")) == "MV1600: it broke"


@pytest.mark.parametrize("kind", [MedvlpError, SlideError, UsageError])
def test_error__survives_another_process(kind: type[MedvlpError]) -> None:
    error = kind("MV1203", "what", expected="expected", hint="hint")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert (copy.code, copy.what, copy.expected, copy.hint) == (
        "MV1203",
        "what",
        "expected",
        "hint",
    )


def test_nearest_name__finds_a_spelling_mistake() -> None:
    assert nearest_name("tempates", ["templates", "classes"]) == " (did you mean 'templates'?)"


def test_nearest_name__is_silent_where_nothing_is_near() -> None:
    assert nearest_name("xyz", ["templates", "classes"]) == ""

from __future__ import annotations

import pytest
from pydicom.multival import MultiValue
from pydicom.uid import UID

from medvlp.io.dicom_values import (
    integer_of,
    number_of,
    numbers_of,
    uid_name,
    word_of,
    words_of,
)


def test_words__are_stripped_and_upper_case() -> None:
    assert words_of(None) == ()
    assert words_of(" axial ") == ("AXIAL",)
    assert words_of(MultiValue(str, ["a", "b "])) == ("A", "B")
    assert word_of(UID("1.2.3")) == "1.2.3"
    assert word_of("1.2.3\0 ") == "1.2.3"
    assert word_of(None) == ""


def test_numbers__are_finite_or_none() -> None:
    assert integer_of("12", 0) == 12
    assert integer_of("1A", 7) == 7
    assert integer_of(None, 7) == 7
    assert number_of("") is None
    assert number_of("-1024") == -1024
    assert numbers_of(None, 3) is None
    assert numbers_of("", 3) is None
    assert numbers_of([], 3) is None
    assert numbers_of(["1", 2, 3.5], 3) == (1, 2, 3.5)
    for value in (["1", "2"], [1, 2, float("nan")], ["a", "b", "c"]):
        with pytest.raises(ValueError, match=r"finite ones belong|could not convert"):
            numbers_of(value, 3)
    with pytest.raises(ValueError, match="a rescale of inf"):
        number_of("inf")


def test_uid_name__lets_no_other_text_through() -> None:
    """Damaged files hold anything there; neither a warning nor the text reaches the user."""
    assert uid_name("1.2.840.10008.1.2.4.90") == "JPEG 2000 Image Compression (Lossless Only)"
    assert uid_name("1.3.46.670589.33.1.4.1") == "1.3.46.670589.33.1.4.1"
    for other in ("1.2.840.j0008", "Doe^Jane", "1" * 65, ""):
        assert uid_name(other) == "unknown"

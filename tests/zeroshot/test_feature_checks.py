"""Features of another width, that are not finite or not of unit length are refused."""

import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.zeroshot.feature_checks import check_features

GOOD = np.asarray([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0]], dtype=np.float32)


def changed(row: int, value: object) -> np.ndarray:
    rows = GOOD.copy()
    rows[row] = value
    return rows


def test_check_features__returns_good_ones_as_they_are() -> None:
    assert check_features(GOOD, 2, normalize=False) is GOOD
    assert check_features(changed(0, (0.6, 0.805)), 2, normalize=False).shape == (3, 2)


@pytest.mark.parametrize(
    ("features", "width", "code", "phrase"),
    [
        (GOOD, 3, "MV1511", "2 numbers per box, the text classifier 3"),
        (changed(1, np.nan), 2, "MV1512", "of 1 of 3 boxes are not finite, first in row 1"),
        (changed(2, (3.0, 4.0)), 2, "MV1513", "of 1 of 3 boxes .*the first has length 5"),
    ],
)
def test_check_features__names_what_is_wrong(features, width, code, phrase) -> None:
    with pytest.raises(FeatureError, match=phrase) as caught:
        check_features(features, width, normalize=False, units=("box", "boxes"), case="scan")
    assert caught.value.code == code
    assert "scan" in str(caught.value.hint)


def test_check_features__takes_any_length_but_zero_where_they_are_normalised() -> None:
    assert len(check_features(GOOD * 7, 2, normalize=True)) == 3
    with pytest.raises(FeatureError, match="the first has length 0"):
        check_features(changed(0, 0.0), 2, normalize=True)


@pytest.mark.parametrize("shape", [(0, 2), (2,)])
def test_check_features__needs_rows(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        check_features(np.ones(shape), 2, normalize=False)

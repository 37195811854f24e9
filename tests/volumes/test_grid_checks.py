from __future__ import annotations

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.grid_checks import checked_geometry, checked_shape


@pytest.mark.parametrize(("sizes", "shape"), [([5, 4, 3], (3, 4, 5)), ([5, 4, 3, 1, 1], (3, 4, 5))])
def test_checked_shape__turns_to_zyx(sizes: list[int], shape: tuple[int, int, int]) -> None:
    assert checked_shape("s", sizes) == shape


@pytest.mark.parametrize(
    ("sizes", "code"),
    [([5, 4], "MV2214"), ([5, 4, 1], "MV2214"), ([5, 4, 3, 2], "MV2230"), ([5, 0, 3], "MV2234")],
)
def test_checked_shape__refuses(sizes: list[int], code: str) -> None:
    with pytest.raises(VolumeError, match=code):
        checked_shape("s", sizes)


def change(row: int, column: int, value: float) -> np.ndarray:
    affine = np.diag([0.7, 0.8, 2.0, 1.0])
    affine[row, column] = value
    return affine


@pytest.mark.parametrize(
    ("affine", "code", "words"),
    [
        (np.zeros((4, 4)), "MV2231", "zero affine along x"),
        (change(2, 2, 0), "MV2231", "zero affine along z"),
        (change(0, 3, np.nan), "MV2231", "not finite"),
        (change(1, 2, 0.5), "MV2218", "lean by"),
        (change(2, 2, 500.0), "MV2219", "500"),
        (change(2, 2, 1e-6), "MV2219", "1e-06"),
        (change(0, 3, 1e9), "MV2219", "1e+09"),
        (change(0, 1, 0.8) * [1, 0.5, 1, 1], "MV2218", "lean"),
    ],
)
def test_checked_geometry__refuses(affine: np.ndarray, code: str, words: str) -> None:
    with pytest.raises(VolumeError) as caught:
        checked_geometry("s", (3, 4, 5), affine)
    assert caught.value.code == code
    assert words in caught.value.what


def test_checked_geometry__accepts_rounding_of_float32() -> None:
    affine = change(1, 2, 1e-5).astype(np.float32)
    assert checked_geometry("s", (3, 4, 5), affine.astype(np.float64)).shape_zyx == (3, 4, 5)

"""The deterministic fill, against plain integer arithmetic."""

import math

import numpy as np
import pytest

from benchmarks.vectors.fill import fill_tensor, fill_uniform


def one_number(i: int, salt: int) -> float:
    x = (i * 2654435761 + (salt + 1) * 2246822519) % 2**32
    x = (x ^ (x >> 15)) * 739982445 % 2**32
    x = (x ^ (x >> 12)) * 695872825 % 2**32
    return (x ^ (x >> 15)) / 2**32 - 0.5


@pytest.mark.parametrize("salt", [0, 1, 17, 5001, 10**6])
def test_fill_uniform__matches_plain_integers(salt: int) -> None:
    assert fill_uniform(50, salt).tolist() == [one_number(i, salt) for i in range(50)]


def test_fill_tensor__scales_by_rule_in_row_major_order() -> None:
    u = np.asarray([one_number(i, 3) for i in range(24)]).reshape(2, 3, 4)
    assert (fill_tensor((2, 3, 4), "matrix", 3) == u * 2 * math.sqrt(3 / 12)).all()
    assert (fill_tensor((24,), "scale", 3) == 1 + 0.2 * u.ravel()).all()
    assert (fill_tensor((24,), "bias", 3) == 0.2 * u.ravel()).all()
    assert (fill_tensor((24,), "var", 3) == 1 + 0.5 * u.ravel()).all()
    with pytest.raises(ValueError, match="rule 'keep' fills nothing"):
        fill_tensor((2,), "keep", 0)

"""The benchmark plants what it says, and its oracle agrees with a full table."""

import numpy as np
import pytest

from benchmarks.near_duplicates import COSINE, measure, planted_vectors, true_pairs


@pytest.mark.parametrize("clumps", [0, 5])
def test_planted_vectors__have_copies_and_are_of_length_one(clumps: int) -> None:
    features = planted_vectors(300, 128, 1, clumps)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=0, atol=1e-5)
    table = features.astype(np.float64) @ features.T.astype(np.float64)
    np.fill_diagonal(table, 0)
    assert (table.max(axis=1) > 0.89).sum() >= 200
    rows, columns = np.nonzero(np.triu(table, 1) > COSINE)
    expected = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert true_pairs(features) == expected
    assert 20 < len(expected) < 150


def test_measure__finds_all_in_a_small_set() -> None:
    row = measure("exact", 400, 64, 0, 0)
    assert (row["recall"], row["precision"]) == (1.0, 1.0)

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from medvlp.probing.scaling import fit_scaling


def test_fit_scaling__equals_scikit_learn_but_for_the_size_of_the_block():
    rows = np.random.default_rng(0).standard_normal((30, 4)) * [1, 10, 0.1, 3] + 5
    expected = StandardScaler().fit_transform(rows) / 2
    np.testing.assert_allclose(fit_scaling(rows, (4,)).apply(rows), expected, atol=1e-12)


def test_fit_scaling__gives_blocks_of_any_size_the_same_variance():
    rows = np.random.default_rng(1).standard_normal((50, 7)) * 9
    scaled = fit_scaling(rows, (5, 2)).apply(rows)
    assert scaled[:, :5].var(axis=0).sum() == pytest.approx(1)
    assert scaled[:, 5:].var(axis=0).sum() == pytest.approx(1)


def test_fit_scaling__fills_gaps_with_the_median_and_silences_constants():
    rows = np.array([[1.0, 7, np.nan], [2, 7, np.nan], [np.nan, 7, np.nan], [9, 7, np.nan]])
    scaling = fit_scaling(rows, (3,))
    assert scaling.fill.tolist() == [2, 7, 0]
    assert scaling.mean.tolist() == [(1 + 2 + 2 + 9) / 4, 7, 0]
    scaled = scaling.apply([[np.nan, 99, 3.0]])
    assert scaled[0, 0] == pytest.approx(scaling.apply([[2, 7, 0]])[0, 0])
    assert scaled[0, 1:].tolist() == [0, 0]


def test_fit_scaling__refuses_blocks_that_do_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        fit_scaling(np.ones((3, 4)), (2, 1))

"""F1 of what reports state, against counts made by hand and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from medvlp.metrics.report_attributes import score_attributes
from medvlp.metrics.samples import UndefinedMetricError

TRUTH = [{"mass": 2, "side": -1, "size": 1}, {"mass": 0, "side": 1, "size": -1}]


def test_score__of_two_reports_by_hand():
    ours = [{"mass": 2, "side": 0, "size": 0}, {"mass": 0, "side": -1, "size": -1}]
    found = score_attributes(ours, TRUTH)
    # said: mass 2, side 0, size 0, mass 0; stated: mass 2, size 1, mass 0, side 1; right: 2
    assert (found.precision, found.recall, found.f1, found.stated) == (0.5, 0.5, 0.5, 4)
    assert found.by_attribute == {"mass": 1.0, "side": 0.0, "size": 0.0}
    assert found.macro_f1 == pytest.approx(1 / 3)


def test_score__leaves_out_what_is_denied():
    ours = [{"mass": 0, "side": -1}, {"mass": 0, "side": 1}]
    found = score_attributes(ours, TRUTH, negatives={"mass": 0})
    # said: side 1; stated: mass 2, size 1, side 1; right: side 1
    assert (found.precision, found.recall) == (1.0, pytest.approx(1 / 3))
    assert found.f1 == pytest.approx(0.5)


def test_score__agrees_with_scikit_learn_over_statements_one_by_one():
    rng = np.random.default_rng(0)
    names = ("a", "b", "c")
    drawn = rng.integers(-1, 3, (2, 50, 3))
    ours, truth = ([dict(zip(names, map(int, row), strict=True)) for row in x] for x in drawn)
    flat = [(drawn[i][:, :, None] == np.arange(3)).reshape(-1) for i in (0, 1)]
    found = score_attributes(ours, truth)
    assert found.precision == pytest.approx(precision_score(flat[1], flat[0]))
    assert found.recall == pytest.approx(recall_score(flat[1], flat[0]))
    assert found.f1 == pytest.approx(f1_score(flat[1], flat[0]))


def test_score__is_one_of_equal_reports_and_zero_of_silent_ones():
    assert score_attributes(TRUTH, TRUTH).f1 == 1.0
    silent = score_attributes([{}, {}], TRUTH)
    assert (silent.precision, silent.recall, silent.macro_f1) == (0.0, 0.0, 0.0)


def test_score__has_no_value_where_nothing_is_stated_or_a_report_is_missing():
    with pytest.raises(UndefinedMetricError, match="a reference that states one"):
        score_attributes([{"mass": 1}], [{"mass": -1}])
    with pytest.raises(ValueError, match="longer"):
        score_attributes([{}], TRUTH)

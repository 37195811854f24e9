"""What metrics refuse, each with a sentence that says why."""

import numpy as np
import pytest

from medvlp.metrics.samples import UndefinedMetricError, check_labels, check_scores


def test_check_labels__takes_whole_numbers_and_truth_values() -> None:
    truth, guess = check_labels([0, 1], np.asarray([True, False]))
    assert (truth.dtype, guess.dtype) == (np.int64, np.int64)
    assert guess.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "predictions", "phrase"),
    [
        ([], [], "do not fit"),
        ([0, 1], [0], "do not fit"),
        ([[0, 1]], [[0, 1]], "do not fit"),
        ([0, 1], [0.0, 1.0], "whole numbers, got float64"),
        (["a"], ["a"], "whole numbers"),
    ],
)
def test_check_labels__refuses_what_is_no_label(labels, predictions, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        check_labels(labels, predictions)


@pytest.mark.parametrize(
    ("labels", "scores", "phrase"),
    [
        ([0, 1], [0.1], "do not fit"),
        ([0, 2], [0.1, 0.2], "labels must be 0 or 1"),
        ([0, 1], [0.1, np.nan], "scores must be finite"),
    ],
)
def test_check_scores__refuses_what_cannot_be_ranked(labels, scores, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        check_scores(labels, scores)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_check_scores__tells_one_class_from_a_wrong_argument(labels) -> None:
    with pytest.raises(UndefinedMetricError, match="where only one class occurs"):
        check_scores(labels, [0.1, 0.2])

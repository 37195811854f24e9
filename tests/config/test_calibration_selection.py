"""Every calibration file is a choice on its cases."""

import pytest

from medvlp.config.calibration_selection import calibration_selection
from medvlp.config.selection import chosen_on
from tests.config.calibration_samples import (
    CASES,
    confidence_calibration,
    finding_thresholds,
    tile_threshold,
)


@pytest.mark.parametrize(
    ("found", "chosen", "metric", "mode", "value"),
    [
        (confidence_calibration(), "temperature", "nll", "min", 0.4),
        (tile_threshold(), "threshold", "youden", "max", 0.75),
        (finding_thresholds(), "threshold", "youden", "max", None),
        (finding_thresholds(rule="mcc"), "threshold", "mcc", "max", None),
    ],
)
def test_calibration_selection__tells_what_was_fitted_by_what(found, chosen, metric, mode, value):
    record = calibration_selection(found)
    assert (record.chosen, record.metric, record.mode) == (chosen, metric, mode)
    assert record.value == value
    assert (record.split, record.number, record.num_groups) == ("run run", 20, 10)
    assert chosen_on(record, [("x", "34" * 32), ("y", "35" * 32)]) == ["x"]


def test_calibration_selection__keeps_the_part_and_the_flag():
    cases = CASES | {"split": "test", "on_test": True}
    record = calibration_selection(tile_threshold(cases=cases))
    assert (record.split, record.on_test) == ("test", True)

"""A choice comes back from ``run.json`` as it went in."""

from dataclasses import asdict

import pytest

from medvlp.config.calibration_selection import calibration_selection
from medvlp.config.run_selections import parse_run_selection, run_selection
from medvlp.config.selection import SelectionRecord
from medvlp.errors import ConfigError
from tests.config.calibration_samples import tile_threshold

LAST = SelectionRecord(chosen="checkpoint", rule="last step, nothing was chosen")


@pytest.mark.parametrize("record", [LAST, calibration_selection(tile_threshold())])
def test_run_selection__comes_back(record):
    told = run_selection(record, model="m", task="t", source="t.json")
    assert told.record == record
    again = parse_run_selection(asdict(told), "run.json")
    assert again == told
    assert (again.model, again.task, again.source) == ("m", "t", "t.json")


def test_parse_run_selection__refuses_other_keys_and_missing_places():
    told = asdict(run_selection(LAST, model="m", task="", source="model"))
    with pytest.raises(ConfigError, match=r"run\.json"):
        parse_run_selection(told | {"more": 1}, "run.json")
    del told["model"]
    with pytest.raises(KeyError, match="model"):
        parse_run_selection(told, "run.json")

"""What an encoder was chosen on goes with its features."""

import pytest

from medvlp.config.selection import SelectionRecord
from medvlp.config.selection_file import (
    SELECTION_FILE,
    read_selection_file,
    write_selection_file,
)
from medvlp.errors import ConfigError

CHOSEN = SelectionRecord(
    chosen="checkpoint", rule="largest", metric="m", mode="max", split="test", on_test=True
)


def test_selection_file__comes_back(tmp_path):
    write_selection_file(tmp_path / "features" / "tiny", CHOSEN)
    assert read_selection_file(tmp_path / "features" / "tiny" / SELECTION_FILE) == CHOSEN


@pytest.mark.parametrize("text", ["{", "[]", '{"chosen": "checkpoint"}', '{"x": 1}'])
def test_selection_file__refuses_what_is_no_choice(tmp_path, text):
    (tmp_path / SELECTION_FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"selection\.json"):
        read_selection_file(tmp_path / SELECTION_FILE)

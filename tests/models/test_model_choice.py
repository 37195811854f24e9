"""The choice of the weights is found in any description that says where a model comes from."""

import json

import pytest

from medvlp.config.selection import SelectionRecord
from medvlp.errors import ConfigError
from medvlp.models.model_choice import model_choice

CHOSEN = SelectionRecord(
    chosen="checkpoint", rule="largest", metric="m", mode="max", split="validation"
)


@pytest.mark.parametrize("name", ["medvlp.json", "tower.json"])
def test_model_choice__is_in_the_description_whatever_it_is_called(tmp_path, name):
    (tmp_path / "tokenizer.json").write_text("[1, 2]")
    (tmp_path / "broken.json").write_text("{")
    document = {"provenance": {"selection": CHOSEN.model_dump(mode="json")}}
    (tmp_path / name).write_text(json.dumps(document))
    assert model_choice(str(tmp_path)) == CHOSEN


@pytest.mark.parametrize("provenance", [None, {}, {"selection": None}])
def test_model_choice__is_none_where_nobody_says(tmp_path, provenance):
    (tmp_path / "medvlp.json").write_text(json.dumps({"provenance": provenance}))
    assert model_choice(str(tmp_path)) is None
    assert model_choice("timm:test_vit") is None


def test_model_choice__refuses_a_record_that_is_none(tmp_path):
    document = {"provenance": {"selection": {"chosen": "weather", "rule": "x"}}}
    (tmp_path / "medvlp.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"medvlp\.json"):
        model_choice(str(tmp_path))

"""What is read of a run's settings, and what is assumed where they do not say it."""

import pytest
import torch

from medvlp.errors import ConfigError
from medvlp.models.architecture import DualEncoderSettings, TextTowerSettings
from medvlp.models.text_tower import TextTower
from medvlp.training.planning.parsing import parse_run
from medvlp.training.planning.sketches import (
    Sketch,
    recompute_blocks,
    settings_of,
    vocabulary_of,
)
from tests.training.conftest import SMOKE


@pytest.fixture(scope="module")
def run():
    return parse_run(["fit", "--config", str(SMOKE)])


def test_settings_of__returns_records(run):
    encoder = settings_of(run, "model.encoder", DualEncoderSettings)
    assert encoder.embed_dim == 16
    text = settings_of(run, "model.encoder.text", TextTowerSettings)
    assert text == encoder.text
    with pytest.raises(ConfigError, match=r"model\.encoder"):
        settings_of(run, "model.encoder", TextTowerSettings)


def test_vocabulary_of__is_what_the_settings_allow(run):
    pieces, notes = vocabulary_of(run)
    assert pieces == 200
    assert notes == ("vocabulary: at most 200 pieces, trained on the captions",)


def test_renewed__changes_a_copy():
    first = Sketch(parts={"a": torch.nn.Identity()})
    second = first.renewed(embed_dim=3)
    assert (first.embed_dim, second.embed_dim) == (0, 3)
    assert second.networks == first.networks


def test_recompute_blocks__without_warnings():
    tower = TextTower(TextTowerSettings(width=8, heads=1, layers=1), vocab_size=9).train()
    ids = torch.ones(1, 3, dtype=torch.long)
    kept = []
    for _ in range(2):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x):
            tower(ids, ids.bool())
        kept.append(len(saved))
        recompute_blocks(tower)
    assert kept[1] < kept[0]
    tower(ids, ids.bool()).sum().backward()

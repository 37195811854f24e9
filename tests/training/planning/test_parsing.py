"""A configuration is parsed as training parses it, without a trainer."""

import pytest

from medvlp.errors import ConfigError, DataError, UsageError
from medvlp.training.planning.parsing import check_ranks, parse_run
from tests.training.conftest import SMOKE


def smoke(*words: str):
    return parse_run(["fit", "--config", str(SMOKE), *words])


def test_parse_run__gives_what_the_file_says():
    run = smoke("--run.name=x")
    assert run.settings.name == "x"
    assert run.batch_size == 4
    assert run.config["model"]["encoder"]["embed_dim"] == 16
    assert run.module.dual_encoder is None


def test_parse_run__looks_for_no_gpu():
    run = smoke("--trainer.accelerator=gpu", "--trainer.devices=8", "--trainer.num_nodes=8")
    assert run.config["trainer"]["accelerator"] == "gpu"


@pytest.mark.parametrize(
    ("word", "phrase"),
    [
        ("--model.encodr=1", "did you mean 'model.encoder"),
        ("--data.batch_size=big", "data.batch_size=big is not valid"),
        ("--model.encoder.text.heads=3", "3 heads do not divide width 32"),
    ],
)
def test_parse_run__refuses_what_training_refuses(word, phrase):
    with pytest.raises(ConfigError, match=phrase):
        smoke(word)


def test_check_ranks__wants_a_divisible_batch():
    run = smoke()
    check_ranks(run, 2, 2)
    with pytest.raises(DataError, match=r"batch_size=4 .* 6 processes .* such as 6") as caught:
        check_ranks(run, 3, 2)
    assert caught.value.code == "MV1750"
    with pytest.raises(DataError, match="such as 8"):
        check_ranks(run, 1, 8)


def test_check_ranks__refuses_recipes_of_one_process(monkeypatch):
    run = smoke()
    monkeypatch.setattr(type(run.module), "joins_ranks", False)
    check_ranks(run, 1, 1)
    with pytest.raises(UsageError, match="cannot run on 2 processes") as caught:
        check_ranks(run, 1, 2)
    assert caught.value.code == "MV1706"

"""Names of strategies in a configuration."""

import pytest
from lightning.pytorch.strategies import FSDPStrategy

from medvlp.errors import ConfigError
from medvlp.training.cli import build
from medvlp.training.sharded.choice import chosen_strategy
from medvlp.training.sharded.strategy import FullySharded


def test_chosen_strategy__is_ours_by_name_and_any_other_as_it_is() -> None:
    assert isinstance(chosen_strategy("fsdp2"), FullySharded)
    own = FullySharded("node")
    assert chosen_strategy(own) is own
    assert chosen_strategy("ddp") == "ddp"


@pytest.mark.parametrize(
    "other", ["fsdp", "fsdp_cpu_offload", "deepspeed_stage_3", "model_parallel", FSDPStrategy()]
)
def test_chosen_strategy__refuses_ways_whose_states_could_not_be_read(other) -> None:
    with pytest.raises(ConfigError, match=r"keeps its state .* expected fsdp2") as caught:
        chosen_strategy(other)
    assert caught.value.code == "MV1860"


def test_train__builds_the_strategy_with_its_settings(smoke_args) -> None:
    settings = '{"class_path": "medvlp.training.sharded.strategy.FullySharded", "init_args": '
    chosen = f'--trainer.strategy={settings}{{"shard_over": "node"}}}}'
    strategy = build([*smoke_args, chosen]).trainer.strategy
    assert isinstance(strategy, FullySharded)

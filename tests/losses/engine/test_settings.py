import pytest
import torch

from medvlp.losses.engine.settings import EngineSettings

CPU = torch.device("cpu")


def test_engine_settings__auto_keeps_logits_while_they_fit():
    settings = EngineSettings(dense_budget_bytes=100)
    assert settings.keeps(100)
    assert not settings.keeps(101)
    assert EngineSettings(path="dense").keeps(10**15)
    assert not EngineSettings(path="tiled").keeps(1)


def test_engine_settings__block_sizes_are_the_devices_unless_given():
    assert EngineSettings().block_sizes(CPU) == (2048, 2048)
    assert EngineSettings().block_sizes(torch.device("cuda")) == (4096, 4096)
    assert EngineSettings(row_block=3).block_sizes(CPU) == (3, 2048)


def test_engine_settings__compiles_on_a_gpu_unless_told():
    assert not EngineSettings().is_compiled(CPU)
    assert EngineSettings().is_compiled(torch.device("cuda"))
    assert EngineSettings(compiled=True).is_compiled(CPU)


def test_engine_settings__refuses_what_means_nothing():
    with pytest.raises(ValueError, match="row_block must be at least 1, got 0"):
        EngineSettings(row_block=0)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        EngineSettings(dense_budget_bytes=-1)

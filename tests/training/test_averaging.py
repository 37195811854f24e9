"""The average is the one worked by hand, is part of the state, and stands in for the weights."""

import pytest
import torch
from safetensors.torch import load_file

from medvlp.training.averaging import AverageSettings, KeepAverage
from medvlp.training.cli import main
from medvlp.training.selecting import LAST_STEP
from tests.training.test_resuming import LONG, stop_at, trace, weights

__all__ = ["stop_at"]  # the fixture


class FakeTrainer:
    global_step = 0
    callbacks = ()

    def __init__(self, module) -> None:
        self.optimizers = [torch.optim.SGD([module.weight], lr=1.0)]


class FakeModule(torch.nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))
        self.resting = torch.nn.Parameter(torch.ones(1))
        self.trainer = FakeTrainer(self)


def make_steps(keep: KeepAverage, module: FakeModule, values) -> None:
    for value in values:
        module.weight.data.fill_(value)
        module.trainer.global_step += 1
        keep.on_train_batch_end(module.trainer, module)


def test_average__worked_by_hand():
    module = FakeModule(8.0)
    keep = KeepAverage(AverageSettings(decay=0.75, warm_up=False))
    keep.on_train_start(module.trainer, module)
    make_steps(keep, module, [4.0, 0.0])  # 0.75 * 8 + 0.25 * 4 = 7; 0.75 * 7 = 5.25
    keep.on_train_batch_end(module.trainer, module)  # no step was finished
    state = keep.state_dict()
    assert state["updates"] == 2
    assert state["average"]["weight"].tolist() == [5.25]
    assert list(state["average"]) == ["weight"]


def test_average__forgets_the_first_weights_soon_and_may_pass_over_steps():
    module = FakeModule(11.0)
    keep = KeepAverage(AverageSettings(decay=0.9, every_steps=2))
    keep.on_train_start(module.trainer, module)
    make_steps(keep, module, [5.0, 0.0, 3.0, 0.0])  # 2/11 * 11 = 2, then 3/12 * 2 = 0.5
    assert keep.state_dict()["average"]["weight"].tolist() == pytest.approx([0.5], abs=1e-15)


def test_validation__is_made_with_the_average_and_training_goes_on_with_the_weights():
    module = FakeModule(8.0)
    keep = KeepAverage(AverageSettings(decay=0.5, warm_up=False))
    keep.on_train_start(module.trainer, module)
    keep.on_validation_start(module.trainer, module)
    assert module.weight.item() == 8.0
    keep.on_validation_end(module.trainer, module)
    make_steps(keep, module, [4.0])
    keep.on_validation_start(module.trainer, module)
    assert module.weight.item() == 6.0
    keep.on_validation_end(module.trainer, module)
    assert module.weight.item() == 4.0
    keep.on_train_end(module.trainer, module)
    assert module.weight.item() == 6.0


@pytest.mark.parametrize("chosen_step", [None, 3])
def test_result__is_not_the_average_where_a_step_was_chosen(monkeypatch, chosen_step):
    record = LAST_STEP.model_copy(update={"step": chosen_step})
    monkeypatch.setattr("medvlp.training.averaging.selection_of", lambda trainer: record)
    module = FakeModule(8.0)
    keep = KeepAverage(AverageSettings(decay=0.5, warm_up=False))
    keep.on_train_start(module.trainer, module)
    make_steps(keep, module, [4.0])
    keep.on_train_end(module.trainer, module)
    assert module.weight.item() == (6.0 if chosen_step is None else 4.0)


def test_weights__are_left_where_only_they_are_asked_for():
    module = FakeModule(8.0)
    keep = KeepAverage(
        AverageSettings(decay=0.5, validate_with="weights", result_of="weights", warm_up=False)
    )
    keep.on_train_start(module.trainer, module)
    make_steps(keep, module, [4.0])
    for hook in (keep.on_validation_start, keep.on_validation_end, keep.on_train_end):
        hook(module.trainer, module)
        assert module.weight.item() == 4.0


def test_state__of_another_module_is_refused():
    module = FakeModule(8.0)
    keep = KeepAverage(AverageSettings())
    keep.load_state_dict({"average": {"other": torch.zeros(1)}, "updates": 3})
    with pytest.raises(ValueError, match="other weights than the module"):
        keep.on_train_start(module.trainer, module)


@pytest.mark.slow
def test_run__with_an_average_that_is_stopped_is_the_run_that_was_not(
    smoke_args, tmp_path, stop_at
):
    args = [*smoke_args, *LONG, "--run.average.decay=0.9", "--run.average.every_steps=2"]
    whole, parts, plain = tmp_path / "whole", tmp_path / "parts", tmp_path / "plain"
    assert main([*args, f"--run.folder={whole}"]) == 0
    for number in (1, 4, 7):
        stop_at(number)
        assert main([*args, f"--run.folder={parts}"]) == 75
    stop_at(-1)
    assert main([*args, f"--run.folder={parts}"]) == 0
    assert trace(parts) == trace(whole)
    mine, theirs = weights(parts), weights(whole)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert main([*smoke_args, *LONG, f"--run.folder={plain}"]) == 0
    assert trace(plain) == trace(whole)
    last = load_file(plain / "bundle" / "model.safetensors")
    assert any(not torch.equal(last[name], theirs[name]) for name in theirs)

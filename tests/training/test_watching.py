"""What is told of a run's speed is what the clock says, and costs the device nothing."""

import csv

import pytest
import torch
from lightning.pytorch.profilers import PassThroughProfiler

from medvlp.data.batch import Batch, TextTokens
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import dual_encoder_flops
from medvlp.training import watching
from medvlp.training.cli import main
from medvlp.training.freezing import FreezeSettings
from medvlp.training.module import ContrastiveModule
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.towers import TowerSettings
from medvlp.training.watching import (
    FetchClock,
    TrainingFlops,
    WatchSettings,
    WatchSpeed,
    training_flops,
)
from tests.training.test_module import ENCODER


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Loop:
    class epoch_loop:  # noqa: N801  # as Lightning calls it
        _batches_that_stepped = 0


class FakeTrainer:
    fit_loop = Loop
    log_every_n_steps = 2
    accumulate_grad_batches = 1
    world_size = 3
    global_step = 0

    def __init__(self) -> None:
        self.profiler = PassThroughProfiler()


class FakeModule:
    class device:  # noqa: N801  # as Lightning calls it
        type = "cpu"

    def __init__(self) -> None:
        self.logged = []

    def log_dict(self, figures) -> None:
        self.logged.append(figures)


def test_watch_speed__tells_means_over_the_steps_between_logs(monkeypatch):
    clock, trainer, module = Clock(), FakeTrainer(), FakeModule()
    monkeypatch.setattr(watching, "time", clock)
    watch = WatchSpeed(WatchSettings())
    watch.setup(trainer, module, "fit")
    watch.on_train_start(trainer, module)
    watch.on_train_epoch_start(trainer, module)
    for step in range(1, 5):  # 0.25 s of waiting and 0.75 s of work, then twice as much of both
        pace = 1 if step <= 2 else 2
        trainer.profiler.start("[_TrainingEpochLoop].train_dataloader_next")
        clock.now += 0.25 * pace
        trainer.profiler.stop("[_TrainingEpochLoop].train_dataloader_next")
        trainer.profiler.start("run_training_batch")
        clock.now += 0.75 * pace
        trainer.profiler.stop("run_training_batch")
        trainer.global_step = step
        Loop.epoch_loop._batches_that_stepped = step - 1
        watch.on_train_batch_end(trainer, module, None, [0] * 8, step)
    assert module.logged == [
        {"speed/samples_per_s": 24.0, "speed/step_s": 1.0, "speed/data_wait_share": 0.25},
        {"speed/samples_per_s": 12.0, "speed/step_s": 2.0, "speed/data_wait_share": 0.25},
    ]


def test_watch_speed__leaves_validation_and_added_up_gradients_out(monkeypatch):
    clock, trainer, module = Clock(), FakeTrainer(), FakeModule()
    trainer.accumulate_grad_batches = 2
    trainer.log_every_n_steps = 1
    Loop.epoch_loop._batches_that_stepped = 0
    monkeypatch.setattr(watching, "time", clock)
    watch = WatchSpeed(WatchSettings())
    watch.setup(trainer, module, "fit")
    watch.on_train_epoch_start(trainer, module)
    clock.now += 50.0
    watch.on_validation_end(trainer, module)
    for batch in (1, 2):
        clock.now += 1.0
        trainer.global_step = batch // 2
        watch.on_train_batch_end(trainer, module, None, [0] * 4, batch)
    assert [told["speed/step_s"] for told in module.logged] == [2.0]
    assert module.logged[0]["speed/samples_per_s"] == 12.0


def test_watch_speed__leaves_another_profiler_alone():
    class Own(PassThroughProfiler):
        pass

    trainer = FakeTrainer()
    trainer.profiler = own = Own()
    WatchSpeed(WatchSettings()).setup(trainer, None, "fit")
    assert trainer.profiler is own


def test_fetch_clock__counts_waits_only(monkeypatch):
    clock, time = FetchClock(), Clock()
    monkeypatch.setattr(watching, "time", time)
    for name in ("run_training_batch", "[_TrainingEpochLoop].train_dataloader_next"):
        clock.start(name)
        time.now += 0.25
        clock.stop(name)
    assert clock.waited_s == 0.25


@pytest.mark.parametrize("stride", [False, True, 2])
@pytest.mark.parametrize(("rests", "passes"), [("all", 1), (2, 3), (0, 3)])
def test_training_flops__are_three_forward_passes_and_one_of_what_rests(stride, rests, passes):
    module = ContrastiveModule(
        encoder=ENCODER,
        optimizer=OptimizerSettings(learning_rate=0.1),
        freeze=FreezeSettings(image_tower_epochs=rests),
        towers=TowerSettings(checkpoint_activations=stride),
    )
    module.dual_encoder = DualEncoder(ENCODER, 100)
    once = dual_encoder_flops(module.dual_encoder, input_px=32, tokens=8)
    flops = training_flops(module, input_px=32, tokens=8)
    assert flops.of(5, 0) == 5 * passes * once.image
    assert flops.of(0, 5 * 8) == 5 * 3 * once.text


def test_watch_speed__counts_the_tokens_that_batches_have(monkeypatch):
    clock, trainer, module = Clock(), FakeTrainer(), FakeModule()
    trainer.log_every_n_steps = 1
    Loop.epoch_loop._batches_that_stepped = 0
    monkeypatch.setattr(watching, "time", clock)
    watch = WatchSpeed(WatchSettings(peak_tflops=1.0))
    watch._flops = TrainingFlops(image=1e11, token=1e10)
    watch.on_train_epoch_start(trainer, module)
    for step, length in enumerate((3, 5), start=1):
        clock.now += 2.0
        trainer.global_step = step
        watch.on_train_batch_end(trainer, module, None, pairs(4, length), step)
    told = [figures["speed/mfu"] for figures in module.logged]
    assert told == pytest.approx([(0.4 + 0.12) / 2, (0.4 + 0.2) / 2])


def pairs(num: int, length: int) -> Batch:
    """Return pairs with texts of some length."""
    ids = torch.ones(num, length, dtype=torch.int64)
    return Batch(
        image=torch.zeros(num, 8, 8, 3, dtype=torch.uint8),
        text=TextTokens(ids=ids, mask=ids > 0),
        group_id=torch.arange(num),
        concept_id=torch.arange(num),
        sample_id=tuple(map(str, range(num))),
        weight=torch.ones(num),
    )


def test_run__tells_its_speed_in_its_log(smoke_args, tmp_path):
    watched = ["--trainer.max_steps=3", "--run.watch.peak_tflops=2"]
    assert main([*smoke_args, *watched]) == 0
    with (tmp_path / "run" / "logs" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speed/step_s"]]
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        step_s, rate = float(row["speed/step_s"]), float(row["speed/samples_per_s"])
        assert rate * step_s == pytest.approx(4, rel=1e-4)
        assert 0 < float(row["speed/data_wait_share"]) < 1
        assert 0 < float(row["speed/mfu"]) < 1
        assert float(row["train/logit_scale"]) > 1

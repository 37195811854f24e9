"""Steps of an epoch and the learning rate's course, with a real trainer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.quiet import quiet_libraries
from medvlp.training.stepping import (
    is_fused,
    scheduled,
    steps_per_epoch,
    validate_after_epoch,
)

BATCHES = 7


class Probe(pl.LightningModule):
    """One weight, and what the schedule says at each step."""

    def __init__(self, schedule: ScheduleSettings) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.schedule = schedule
        self.rates: list[float] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return (self.weight * batch.mean()).sum()

    def configure_optimizers(self) -> object:
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        return scheduled(optimizer, self.trainer, self.schedule)


def trainer(**options: object) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **options,
    )


def fit(schedule: ScheduleSettings, **options: object) -> Probe:
    probe = Probe(schedule)
    with quiet_libraries():
        trainer(**options).fit(probe, DataLoader(torch.ones(BATCHES), batch_size=1))
    return probe


@pytest.mark.parametrize("options", [{"max_epochs": 3}, {"max_steps": 3 * BATCHES}])
def test_scheduled__warms_up_for_one_epoch_however_the_run_is_given(
    options: dict[str, int],
) -> None:
    rates = fit(ScheduleSettings(warmup_epochs=1), **options).rates
    assert len(rates) == 3 * BATCHES
    assert rates[:BATCHES] == pytest.approx([(i + 1) / BATCHES for i in range(BATCHES)])
    assert rates[BATCHES] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_steps_per_epoch__counts_a_last_partial_accumulation() -> None:
    probe = fit(ScheduleSettings(warmup_epochs=1), max_epochs=2, accumulate_grad_batches=3)
    assert steps_per_epoch(probe.trainer) == 3
    assert probe.rates[0] == pytest.approx(1 / 3)


class Unequal(torch.utils.data.Sampler[list[int]]):
    """Batches of one; the number of them is another in each epoch."""

    lengths = (4, 3, 5, 2)

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> Unequal:
        return self

    def __len__(self) -> int:
        return self.lengths[self.epoch % len(self.lengths)]

    def __iter__(self) -> Iterator[list[int]]:
        return iter([[n] for n in range(len(self))])


class Validated(Probe):
    """Counts how many steps there were at each validation."""

    def __init__(self) -> None:
        super().__init__(ScheduleSettings())
        self.validated: list[int] = []

    def on_train_epoch_start(self) -> None:
        validate_after_epoch(self.trainer)

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.validated.append(self.global_step)


def validated(**options: object) -> list[int]:
    probe = Validated()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=4,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )
    training = DataLoader(torch.ones(8), batch_sampler=Unequal())
    with quiet_libraries():
        trainer.fit(probe, training, DataLoader(torch.ones(1), batch_size=1))
    return probe.validated


def test_validate_after_epoch__comes_also_after_epochs_of_fewer_batches_than_the_first() -> None:
    assert validated() == [4, 7, 11, 13]


def test_validate_after_epoch__leaves_a_choice_of_another_time_alone() -> None:
    assert validated(val_check_interval=2) == [2, 4, 6, 9, 11, 13]
    assert validated(check_val_every_n_epoch=2) == [7, 13]


def test_scheduled__ends_each_group_at_its_own_floor() -> None:
    class TwoRates(Probe):
        def configure_optimizers(self) -> object:
            self.other = torch.nn.Parameter(torch.zeros(1))
            groups = [{"params": [self.weight], "lr": 1.0}, {"params": [self.other], "lr": 0.1}]
            return scheduled(torch.optim.SGD(groups), self.trainer, self.schedule)

        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            self.rates.append([group["lr"] for group in self.optimizers().param_groups])
            return ((self.weight + self.other) * batch.mean()).sum()

    probe = TwoRates(ScheduleSettings(warmup_share=0, last_share=0.01, least_rate=0.05))
    with quiet_libraries():
        trainer(max_epochs=2).fit(probe, DataLoader(torch.ones(BATCHES), batch_size=1))
    assert probe.rates[0] == pytest.approx([1.0, 0.1])
    assert probe.rates[-1] == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize(
    ("device", "precision", "asked", "expected"),
    [
        ("cuda", "bf16-mixed", None, True),
        ("cuda", "16-mixed", None, False),
        ("cuda", "bf16-mixed", False, False),
        ("cpu", "32-true", None, False),
        ("cpu", "32-true", True, True),
    ],
)
def test_is_fused__is_so_on_a_gpu_but_for_scaled_gradients(device, precision, asked, expected):
    strategy = SimpleNamespace(root_device=torch.device(device))
    trainer = SimpleNamespace(strategy=strategy, precision=precision)
    settings = OptimizerSettings(learning_rate=0.1, fused=asked)
    assert is_fused(settings, trainer) is expected

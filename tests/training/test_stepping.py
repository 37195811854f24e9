"""Steps of an epoch and the learning rate's course, with a real trainer."""

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from medvlp.training.optimization import ScheduleSettings
from medvlp.training.quiet import quiet_libraries
from medvlp.training.stepping import scheduled, steps_per_epoch

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


def fit(schedule: ScheduleSettings, **options: object) -> Probe:
    probe = Probe(schedule)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **options,
    )
    with quiet_libraries():
        trainer.fit(probe, DataLoader(torch.ones(BATCHES), batch_size=1))
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

"""A run that takes no time: a line through points, trained with the state kept as in a real run."""

from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from medvlp.data.loading import OrderedLoader, ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.data.sampler import Draw
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.checkpoints.plugin import StateFolders
from medvlp.training.checkpoints.settings import CheckpointSettings


class Line(pl.LightningModule):
    """Fits a line; dropout makes a step depend on the random numbers of the step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
        self.losses: list[float] = []

    def training_step(self, batch, batch_idx):
        loss = self.layer(torch.dropout(batch[0], 0.3, train=True)).square().mean()
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


def points() -> DataLoader:
    """Return eight batches of two points."""
    values = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(values), batch_size=2)


def keep_state(folder: Path, *, config=None, seed=0, **settings) -> KeepState:
    """Return what keeps the state, every step unless told otherwise."""
    chosen = CheckpointSettings(**{"every_steps": 1, "every_minutes": None} | settings)
    return KeepState(folder, StateFolders(), chosen, seed=seed, config=config or {})


def trainer_with(keep: KeepState, folder: Path, *others, **more) -> pl.Trainer:
    """Return a silent trainer on the processor for one epoch."""
    settings = {"max_epochs": 1, "accelerator": "cpu", "devices": 1, "logger": False} | more
    return pl.Trainer(
        default_root_dir=folder,
        callbacks=[*others, keep],
        plugins=[*settings.pop("plugins", []), keep.plugin],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **settings,
    )


class Points(pl.LightningDataModule):
    """Eight batches of two points in an order that can be taken up."""

    def train_dataloader(self) -> OrderedLoader:
        values = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
        return ordered_loader(
            Rows(values),
            OrderSettings(seed=1, batch_size=2),
            lambda rows: [torch.stack(list(rows))],
            num_samples=16,
            data_hash="points",
            num_workers=0,
            trainer=None,
        )


class Rows(Dataset):
    """Gives the row that is drawn."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values

    def __getitem__(self, draw: Draw) -> torch.Tensor:
        return self._values[draw.index]

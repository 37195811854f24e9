"""Parse a run's configuration as training does, without a trainer, a GPU or the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from medvlp.errors import DataError, UsageError
from medvlp.training.cli import TrainCLI
from medvlp.training.learner import Learner
from medvlp.training.quiet import quiet_libraries
from medvlp.training.run import RunSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import lightning.pytorch as pl

__all__ = ["ParsedRun", "check_ranks", "parse_run"]


@dataclass(frozen=True)
class ParsedRun:
    """A run as its configuration describes it.

    Attributes:
        module: What learns; its network is not built yet.
        data: What it learns from; nothing of it is read yet.
        settings: The run's own settings.
        config: All settings with their values.
    """

    module: pl.LightningModule
    data: pl.LightningDataModule
    settings: RunSettings
    config: Mapping[str, Any]

    @property
    def batch_size(self) -> int | None:
        """Samples of a global batch; None where the data are not given in such batches."""
        data = self.config["data"]
        groups = data.get("groups")
        if "batch_size" not in data and groups:
            return int(groups["groups_per_batch"]) * int(groups["samples_per_group"])
        size = data.get("batch_size")
        return int(size) if size is not None else None


class _ParsingCLI(TrainCLI):
    """Training's command line up to where a trainer would be built."""

    def instantiate_trainer(self, **_: object) -> Any:  # noqa: ANN401  # there is none
        """Build no trainer: it would look for GPUs, which are elsewhere."""
        return None


def parse_run(args: Sequence[str]) -> ParsedRun:
    """Parse what follows ``medvlp train``.

    Args:
        args: The arguments, ``fit`` first.

    Raises:
        ConfigError: As training does: MV1001 for an unknown key, MV1002 for a value.
        UsageError: If settings do not go together.
    """
    with quiet_libraries():
        cli = _ParsingCLI(args, run=False)
    config = cli.config[cli.subcommand].as_dict()
    settings = cast("RunSettings", cli.config_init[cli.subcommand]["run"])
    return ParsedRun(cli.model, cli.datamodule, settings, config)


def check_ranks(run: ParsedRun, nodes: int, gpus_per_node: int) -> None:
    """Refuse what a run on so many processes would refuse after it had waited in the queue.

    Args:
        run: The run.
        nodes: Number of nodes.
        gpus_per_node: Processes of a node, one a GPU.

    Raises:
        DataError: If the processes do not divide the batch (MV1750).
        UsageError: If the recipe runs on one process only (MV1706).
    """
    ranks = nodes * gpus_per_node
    if ranks > 1 and isinstance(run.module, Learner) and not run.module.joins_ranks:
        raise UsageError(
            "MV1706",
            f"recipe {run.config['recipe']!r} cannot run on {ranks} processes ({nodes} nodes with "
            f"{gpus_per_node} GPUs): each would learn from its own samples only",
            expected="--nodes 1 --gpus-per-node 1",
        )
    batch = run.batch_size
    if batch is not None and batch % ranks:
        raise DataError(
            "MV1750",
            f"data.batch_size={batch} cannot be divided by {ranks} processes ({nodes} nodes with "
            f"{gpus_per_node} GPUs)",
            expected=f"a multiple of {ranks}, such as {max(1, round(batch / ranks)) * ranks}",
        )

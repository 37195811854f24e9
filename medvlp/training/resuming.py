"""Take up a run where its newest checkpoint stands: which one, whether it belongs, and its logs."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import CSVLogger

from medvlp.io import publish_file
from medvlp.training.checkpoints.folder import (
    CHECKPOINTS_FOLDER,
    clear_leftovers,
    newest_checkpoint,
)
from medvlp.training.launching import launched_rank
from medvlp.training.shareable import without_local_paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["build_csv_logger", "deciding_config", "where_to_go_on"]

_TRAINER_KEYS = (
    *("max_epochs", "max_steps", "accumulate_grad_batches", "precision"),
    *("gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches"),
)
_LOG_ASIDE = ".metrics.csv"
"""Where the lines that stay are while the log is begun anew, in the run's folder."""
_FREE_DATA_KEYS = ("num_workers", "cache_gib", "shard_cache", "most_bad")


def deciding_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that must stay when a run is taken up.

    What may change: where files lie, on how many processes the run is spread, how it is logged, and
    how often its state is kept. The content of the data is compared by hash with the order.

    Args:
        config: The resolved configuration.
    """
    data = {key: value for key, value in config["data"].items() if key not in _FREE_DATA_KEYS}
    trainer = {key: config["trainer"].get(key) for key in _TRAINER_KEYS}
    chosen = {
        "recipe": config["recipe"],
        "model": config["model"],
        "data": data,
        "trainer": trainer,
        "name": config["run"]["name"],
        "select": config["run"].get("select"),
        "average": config["run"].get("average"),
    }
    return without_local_paths(chosen)


def where_to_go_on(run_folder: Path) -> tuple[Path, int] | None:
    """Return the newest whole checkpoint of a run and its step; None where the run begins.

    What a killed process had begun to write is removed.

    Args:
        run_folder: The run's folder.

    Raises:
        DataError: MV1707 if there are checkpoints and every one is damaged; MV1710 if the newest
            is of another format.
    """
    folder = run_folder / CHECKPOINTS_FOLDER
    if launched_rank() == 0:
        clear_leftovers(folder)
    return newest_checkpoint(folder)


def build_csv_logger(run_folder: Path, step: int) -> CSVLogger:
    """Return the logger of ``logs/metrics.csv``, with the lines of the steps that stay.

    Args:
        run_folder: The run's folder.
        step: Steps that were finished; lines of later ones belong to steps that are done again.
    """
    logger = CSVLogger(run_folder, name="logs", version="")
    path, aside = run_folder / "logs" / "metrics.csv", run_folder / _LOG_ASIDE
    if launched_rank():
        return logger
    if aside.exists() and not path.exists():  # killed between the two
        path.parent.mkdir(exist_ok=True)
        aside.replace(path)
    aside.unlink(missing_ok=True)
    if not path.exists():
        return logger
    header, rows = _read_lines(path)
    rows = [row for row in rows if int(row["step"]) < step]
    if rows:
        with publish_file(aside) as partial, partial.open("w", encoding="utf-8", newline="") as to:
            lines = csv.DictWriter(to, fieldnames=header)
            lines.writeheader()
            lines.writerows(rows)
    path.unlink()  # Lightning would remove it, with a warning
    writer = logger.experiment
    if rows:
        aside.replace(path)
        writer.metrics_keys = header
    return logger


def _read_lines(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return header and lines of a log, without what a full disk or a killed process cut off."""
    text = path.read_bytes().replace(b"\0", b"").decode("utf-8", "replace")
    whole = (line for line in text.splitlines(keepends=True) if line.endswith("\n"))
    reader = csv.DictReader(whole)
    header = list(reader.fieldnames or ())
    rows = [
        row
        for row in reader
        if None not in row and None not in row.values() and row.get("step", "").isdecimal()
    ]
    return header, rows

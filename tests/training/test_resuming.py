"""A run that is stopped and taken up is the run that was not: samples, losses, weights, logs."""

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.errors import DataError
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main
from medvlp.training.resuming import build_csv_logger, deciding_config, where_to_go_on
from tests.training.wandb_files import wandb_records

LONG = (
    *("--trainer.max_epochs=2", "--trainer.max_steps=-1", "--run.trace=true"),
    "--run.watch.speed=false",  # which is not the same twice
)


def trace(folder: Path) -> dict[int, tuple[object, str]]:
    """Return samples and loss by step; a step that was done again must be as it was."""
    found: dict[int, tuple[object, str]] = {}
    for line in (folder / "trace" / "rank_0.jsonl").read_text().splitlines():
        entry = json.loads(line)
        told = (entry["samples"], entry["loss"])
        assert found.setdefault(entry["step"], told) == told, entry["step"]
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "logs" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets a signal come while the batch of that number is trained on."""
    plain = KeepState.on_train_batch_start

    def choose(number: int) -> None:
        def start(self, trainer, pl_module, batch, batch_idx):
            plain(self, trainer, pl_module, batch, batch_idx)
            if trainer.fit_loop.epoch_loop.total_batch_idx == number:
                signal.raise_signal(signal.SIGUSR1)

        monkeypatch.setattr(KeepState, "on_train_batch_start", start)

    return choose


@pytest.mark.slow
def test_run__stopped_at_every_step_is_the_run_that_was_not(smoke_args, tmp_path, stop_at) -> None:
    whole = tmp_path / "whole"
    args = [*smoke_args, *LONG, "--trainer.log_every_n_steps=1"]
    assert main([*args, f"--run.folder={whole}"]) == 0
    expected = trace(whole)
    parts = tmp_path / "parts"
    for number in range(0, len(expected), 2):
        stop_at(number)
        assert main([*args, f"--run.folder={parts}"]) == 75
    stop_at(-1)
    assert main([*args, f"--run.folder={parts}"]) == 0
    assert trace(parts) == expected
    mine, theirs = weights(parts), weights(whole)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert metrics(parts) == metrics(whole)


@pytest.mark.slow
def test_run__validated_after_every_step_is_the_run_that_was_not(
    smoke_args, tmp_path, stop_at
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    args = [*smoke_args, *LONG, "--trainer.log_every_n_steps=1", "--trainer.val_check_interval=1"]
    args += ["--run.average.decay=0.9", "--run.select.metric=validation/loss"]
    args += ["--run.select.mode=min"]
    assert main([*args, f"--run.folder={whole}"]) == 0
    for number in (3, 10, 13):  # the state is that of the step after the second validation
        stop_at(number)
        assert main([*args, f"--run.folder={parts}"]) == 75
    stop_at(-1)
    assert main([*args, f"--run.folder={parts}"]) == 0
    assert trace(parts) == trace(whole)
    assert metrics(parts) == metrics(whole)
    mine, theirs = weights(parts), weights(whole)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_where_to_go_on__is_nowhere_in_a_new_folder(tmp_path: Path) -> None:
    assert where_to_go_on(tmp_path) is None


def test_run__refuses_to_go_on_with_other_settings(smoke_args, stop_at) -> None:
    stop_at(0)
    assert main(smoke_args) == 75
    stop_at(-1)
    with pytest.raises(
        DataError, match=r"model.optimizer.learning_rate: .* there, 0.5 here"
    ) as caught:
        main([*smoke_args, "--model.optimizer.learning_rate=0.5"])
    assert caught.value.code == "MV1709"


def test_run__refuses_other_settings_before_it_loads_a_weight(smoke_args, stop_at) -> None:
    stop_at(0)
    assert main(smoke_args) == 75
    stop_at(-1)
    with pytest.raises(DataError, match=r"embed_dim: 16 there, 8 here") as caught:
        main([*smoke_args, "--model.encoder.embed_dim=8"])
    assert caught.value.code == "MV1709"


def test_run__goes_on_where_its_data_has_moved_and_not_with_other_data(
    smoke_args, striped_pairs, tmp_path, stop_at
) -> None:
    stop_at(0)
    assert main(smoke_args) == 75
    moved = tmp_path / "moved"
    shutil.copytree(striped_pairs, moved)
    stop_at(-1)
    assert main([*smoke_args, f"--data.folder={moved}"]) == 0
    shutil.rmtree(tmp_path / "run")
    stop_at(0)
    assert main(smoke_args) == 75
    stop_at(-1)
    records = [
        PairRecord(
            sample_id=f"tile_{index:03d}",
            image=np.full((32, 32, 3), index, dtype=np.uint8),
            captions=("plain",),
            group_id=index,
            split="train" if index < 48 else "validation",
        )
        for index in range(60)
    ]
    other = tmp_path / "other"
    write_pairs(other, records, modality="slide", mpp=0.5, tile_px=32, encoding="png")
    with pytest.raises(DataError, match=r"data_hash: .* there, .* here") as caught:
        main([*smoke_args, f"--data.folder={other}"])
    assert caught.value.code == "MV1752"


def logged_steps(folder: Path) -> list[list[int]]:
    """Return the steps of each start that W&B has on the disk, in the order of the starts."""
    found = []
    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb"), key=os.path.getmtime):
        rows = [record.history for record in wandb_records(path.read_bytes())]
        found.append([int(row.step.num) for row in rows if row.item])
    return found


@pytest.mark.slow
def test_run__killed_and_taken_up_is_one_run_of_wandb_with_each_step_once(
    smoke_args, tmp_path, stop_at, monkeypatch
) -> None:
    class Killed(BaseException):
        pass

    args = [*smoke_args, *LONG, "--trainer.max_epochs=1", "--run.wandb=offline"]
    args += ["--trainer.log_every_n_steps=1", "--run.checkpoints.every_steps=4"]
    plain = KeepState.on_train_batch_start

    def start(self, trainer, pl_module, batch, batch_idx):
        plain(self, trainer, pl_module, batch, batch_idx)
        self.plugin.wait()
        if batch_idx == 7:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KeepState, "on_train_batch_start", start)
        with pytest.raises(Killed):
            main(args)
    stop_at(9)
    assert main(args) == 75
    stop_at(-1)
    assert main(args) == 0
    assert logged_steps(tmp_path / "run") == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9], [10, 11]]
    assert len({path.name for path in (tmp_path / "run" / "wandb").glob("*/run-*.wandb")}) == 1


@pytest.mark.slow
def test_run__taken_up_with_other_loader_processes_is_the_same_run(
    smoke_args, tmp_path, stop_at
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    args = [*smoke_args, *LONG, "--trainer.max_epochs=1"]
    assert main([*args, f"--run.folder={whole}"]) == 0
    stop_at(4)
    assert main([*args, f"--run.folder={parts}", "--data.num_workers=1"]) == 75
    stop_at(-1)
    assert main([*args, f"--run.folder={parts}", "--data.num_workers=0"]) == 0
    assert trace(parts) == trace(whole)
    mine, theirs = weights(parts), weights(whole)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_deciding_config__leaves_out_places_processes_and_logs() -> None:
    config = {
        "recipe": "pairs",
        "model": {"text_from": "tower", "seed": 1},
        "data": {"folder": "/a", "batch_size": 4, "num_workers": 3},
        "trainer": {"max_steps": 5, "devices": 2, "num_nodes": 8},
        "run": {"name": "x", "folder": "/b", "wandb": "off"},
    }
    chosen = deciding_config(config)
    assert chosen["data"] == {"batch_size": 4}
    assert chosen["model"] == {"seed": 1}
    assert chosen["trainer"]["max_steps"] == 5
    assert "devices" not in chosen["trainer"]
    assert chosen["name"] == "x"


def write_log(folder: Path, text: bytes) -> Path:
    path = folder / "logs" / "metrics.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(
    "end",
    [
        b"",
        b"0,",
        b"0,2",
        b"0.",
        b"0.5,\r\n",
        b"0.5,2,0.3\r\n",
        b"0.5,,2\r\n",
        b"0.5,two\r\n",
        b"\0\0\0\0",
        b"\xff\xfe\r\n",
    ],
)
def test_build_csv_logger__leaves_out_lines_that_are_not_whole(tmp_path: Path, end: bytes) -> None:
    write_log(tmp_path, b"loss,step\r\n0.5,0\r\n" + end)
    build_csv_logger(tmp_path, 5)
    assert metrics(tmp_path) == [{"loss": "0.5", "step": "0"}]


def test_build_csv_logger__begins_anew_where_no_line_is_whole(tmp_path: Path) -> None:
    for text in (b"", b"lo", b"loss\r\n0.5\r\n", b"\0\0"):
        write_log(tmp_path, text)
        logger = build_csv_logger(tmp_path, 5)
        logger.log_metrics({"loss": 1.0}, 5)
        logger.save()
        assert metrics(tmp_path) == [{"loss": "1.0", "step": "5"}]


@pytest.mark.parametrize("where", ["unlink", "replace"])
def test_build_csv_logger__killed_at_any_time_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    class Killed(BaseException):
        pass

    path = write_log(tmp_path, b"loss,step\r\n0.5,0\r\n0.25,1\r\n")
    plain = getattr(Path, where)

    def die(self: Path, *args: object, **more: object) -> object:
        if self == path or args == (path,):
            if where == "unlink":
                plain(self)
            raise Killed
        return plain(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, where, die)
        with pytest.raises(Killed):
            build_csv_logger(tmp_path, 2)
    assert not path.exists()
    build_csv_logger(tmp_path, 2)
    assert [row["step"] for row in metrics(tmp_path)] == ["0", "1"]
    assert not list(tmp_path.glob(".*"))


def test_build_csv_logger__keeps_the_lines_of_finished_steps(tmp_path: Path) -> None:
    first = build_csv_logger(tmp_path, 0)
    for step in range(4):
        first.log_metrics({"loss": step / 2}, step)
    first.save()
    second = build_csv_logger(tmp_path, 2)
    second.log_metrics({"loss": 9.0, "further": 1.0}, 2)
    second.save()
    assert [(row["step"], row["loss"], row["further"]) for row in metrics(tmp_path)] == [
        ("0", "0.0", ""),
        ("1", "0.5", ""),
        ("2", "9.0", "1.0"),
    ]

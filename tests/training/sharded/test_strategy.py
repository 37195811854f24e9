"""Runs with divided weights are the runs of DDP: losses, states, results."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from medvlp.errors import UsageError
from medvlp.models.bundle import load_bundle
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main
from tests.worlds import run_in_worlds

STEPS = 20
DDP, FSDP2 = "--trainer.strategy=ddp", "--trainer.strategy=fsdp2"
CLIPPED = "--trainer.gradient_clip_val=0.5"
RUNS = {  # name: folder, where a signal comes, further arguments
    "ddp": ("ddp", -1, (DDP, CLIPPED)),
    "fsdp2": ("fsdp2", -1, (FSDP2, CLIPPED)),
    "first half": ("halves", 8, (FSDP2, CLIPPED)),
    "second half": ("halves", -1, (FSDP2, CLIPPED)),
    "begun by ddp": ("begun", 8, (DDP, CLIPPED)),
    "ended by fsdp2": ("begun", -1, (FSDP2, CLIPPED)),
    "begun on two": ("for_one", 8, (FSDP2, CLIPPED)),
}
RUNS_ALONE = {"ended on one": ("for_one", -1, (FSDP2, CLIPPED))}


def arguments(smoke: list[str], folder: Path, ranks: int) -> list[str]:
    chosen = [f"--run.folder={folder}", f"--trainer.devices={ranks}", "--run.trace=true"]
    chosen += ["--trainer.max_epochs=2", f"--trainer.max_steps={STEPS}", "--run.progress=false"]
    return [*smoke, *chosen, "--model.encoder.image.architecture=test_vit"]


def run_all(rank, world_size, folder) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    os.environ["OMP_NUM_THREADS"] = "1"  # else the trainer asks for more threads than are free
    smoke = json.loads((folder / "smoke.json").read_text())
    plain = KeepState.on_train_batch_start
    stop = -1

    def start(self, trainer, pl_module, batch, batch_idx):
        plain(self, trainer, pl_module, batch, batch_idx)
        if trainer.fit_loop.epoch_loop.total_batch_idx == stop:
            signal.raise_signal(signal.SIGUSR1)

    KeepState.on_train_batch_start = start
    for name, stop, more in (RUNS if world_size == 2 else RUNS_ALONE).values():  # read by start()
        code = main([*arguments(smoke, folder / name, world_size), *more])
        assert code == (0 if stop < 0 or rank else 75), name


def losses(folder: Path, rank: int = 0) -> dict[int, float]:
    """Return the loss by step."""
    lines = (folder / "trace" / f"rank_{rank}.jsonl").read_text().splitlines()
    return {entry["step"]: float.fromhex(entry["loss"]) for entry in map(json.loads, lines)}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, striped_pairs) -> Path:
    from tests.training.conftest import SMOKE

    folder = tmp_path_factory.mktemp("runs")
    smoke = ["fit", f"--config={SMOKE}", f"--data.folder={striped_pairs}"]
    (folder / "smoke.json").write_text(json.dumps(smoke))
    run_in_worlds(run_all, [2, 1], folder)
    return folder


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__on_two_ranks_loses_what_ddp_loses(runs) -> None:
    expected, actual = losses(runs / "ddp"), losses(runs / "fsdp2")
    assert len(expected) == STEPS
    assert list(actual) == list(expected)
    relative = [abs(actual[step] - loss) / abs(loss) for step, loss in expected.items()]
    assert max(relative) <= 1e-6
    assert largest_difference(weights(runs / "fsdp2"), weights(runs / "ddp")) <= 1e-6
    assert losses(runs / "fsdp2", rank=1) == actual


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__stopped_and_taken_up_is_the_run_that_was_not(runs) -> None:
    assert losses(runs / "halves") == losses(runs / "fsdp2")
    assert largest_difference(weights(runs / "halves"), weights(runs / "fsdp2")) == 0


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__takes_up_what_ddp_began(runs) -> None:
    expected, actual = losses(runs / "ddp"), losses(runs / "begun")
    assert [actual[step] for step in expected] == pytest.approx(list(expected.values()), rel=1e-6)


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__is_taken_up_on_one_rank(runs) -> None:
    expected, actual = losses(runs / "fsdp2"), losses(runs / "for_one")
    assert [actual[step] for step in expected] == pytest.approx(list(expected.values()), rel=1e-4)


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__leaves_a_bundle_that_one_process_loads(runs) -> None:
    ours, theirs = (load_bundle(runs / name / "bundle") for name in ("fsdp2", "ddp"))
    texts = ["an image of plain noise", "vertical columns"]
    assert np.allclose(ours.text_encoder.embed(texts), theirs.text_encoder.embed(texts), atol=1e-6)
    side = ours.image_encoder.preprocessing.input_px
    pixels = torch.arange(2 * side * side * 3).reshape(2, side, side, 3).to(torch.uint8)
    images = [bundle.image_encoder.embed(pixels) for bundle in (ours, theirs)]
    assert torch.allclose(images[0], images[1], rtol=0, atol=1e-6)


def test_fsdp2__refuses_another_precision(smoke_args) -> None:
    with pytest.raises(UsageError, match="precision='64-true' does not go with") as caught:
        main([*smoke_args, FSDP2, "--trainer.precision=64-true"])
    assert caught.value.code == "MV1861"

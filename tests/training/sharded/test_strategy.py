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
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle import load_bundle
from medvlp.models.weights import read_safetensors
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.sharded.strategy import FullySharded
from tests.models.decoder_releases import write_release
from tests.training.conftest import CONFIGS, SMOKE
from tests.worlds import run_in_worlds

pytestmark = pytest.mark.timeout(1800)  # the runs of all tests here are made for the first

STEPS = 20
DDP, FSDP2 = "--trainer.strategy=ddp", "--trainer.strategy=fsdp2"
CLIPPED = "--trainer.gradient_clip_val=0.5"
SELECTED = '--run.select={"metric": "validation/loss", "mode": "max"}'  # surely not the last step
RUNS = {  # name: folder, where a signal comes, further arguments
    "ddp": ("ddp", -1, (DDP, CLIPPED)),
    "fsdp2": ("fsdp2", -1, (FSDP2, CLIPPED)),
    "first half": ("halves", 8, (FSDP2, CLIPPED)),
    "second half": ("halves", -1, (FSDP2, CLIPPED)),
    "begun by ddp": ("begun", 8, (DDP, CLIPPED)),
    "ended by fsdp2": ("begun", -1, (FSDP2, CLIPPED)),
    "selected": ("selected", -1, (FSDP2, CLIPPED, SELECTED)),
    "selected, first half": ("selected_halves", 15, (FSDP2, CLIPPED, SELECTED)),
    "selected, second half": ("selected_halves", -1, (FSDP2, CLIPPED, SELECTED)),
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
    if world_size == 2:
        assert main(decoder_arguments(folder)) == 0


def decoder_arguments(folder: Path) -> list[str]:
    """Return arguments for the file of a decoder of seven billion weights, made small."""
    pairs = json.loads((folder / "smoke.json").read_text())[-1]
    release = folder / "tiny-mistral"
    sizes = {"width": 16, "layers": 2, "heads": 4, "kv_heads": 2, "feedforward": 24, "rows": 64}
    chosen = ["fit", f"--config={CONFIGS / 'keep' / 'stage2_7b_text_fsdp.yaml'}", pairs]
    chosen += [f"--model.encoder.decoder.{name}={value}" for name, value in sizes.items()]
    chosen += ["--model.encoder.image.architecture=test_vit", "--model.encoder.image.img_size=32"]
    chosen += ["--model.encoder.embed_dim=16", f"--model.text_from={release}"]
    chosen += [f"--data.tokenizer.file={release / 'tokenizer.json'}", "--data.batch_size=6"]
    chosen += ["--data.groups.groups_per_batch=3", "--data.groups.samples_per_group=2"]
    chosen += ["--data.inputs.input_px=32", "--data.inputs.resize_px=36", "--data.num_workers=0"]
    chosen += ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.num_nodes=1"]
    chosen += ["--trainer.max_epochs=2", "--run.progress=false", "--run.wandb=off"]
    chosen += ["--data.augment.random_crop=false", "--model.optimizer.learning_rate=0.001"]
    return [*chosen, f"--run.folder={folder / 'decoder'}"]


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
    folder = tmp_path_factory.mktemp("runs")
    smoke = ["fit", f"--config={SMOKE}", f"--data.folder={striped_pairs}"]
    (folder / "smoke.json").write_text(json.dumps(smoke))
    write_release(folder / "tiny-mistral", "mistral", rms_norm_eps=1e-5)
    run_in_worlds(run_all, [2, 1], folder, patience_s=800)
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
def test_fsdp2__keeps_the_best_step_when_taken_up(runs) -> None:
    whole, halves = weights(runs / "selected"), weights(runs / "selected_halves")
    assert largest_difference(whole, halves) == 0
    assert largest_difference(whole, weights(runs / "fsdp2")) > 0


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


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2__trains_a_decoder_of_a_release_as_text_tower(runs) -> None:
    bundle = load_bundle(runs / "decoder" / "bundle")
    found = bundle.text_encoder.embed(["plain noise", "vertical columns"])
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    before = load_decoder_weights(runs / "tiny-mistral")
    after = weights(runs / "decoder")
    moved = [
        float((after[f"text_tower.network.{name}"] - weight).abs().max())
        for name, weight in before.items()
    ]
    assert max(moved) > 0  # it learned, in the epoch after its rest
    assert max(moved) < 0.1  # and it began with the release
    settings = bundle.meta.provenance.settings
    assert settings["trainer"]["strategy"] == "fsdp2"
    assert "Began with the text tower 'tiny-mistral'." in bundle.meta.provenance.notes


def load_decoder_weights(release: Path) -> dict[str, torch.Tensor]:
    state = read_safetensors(release / "model.safetensors")
    names = {name: name.removeprefix("model.") for name in state if name != "lm_head.weight"}
    return {inner: state[name] for name, inner in names.items()}


def test_fsdp2__refuses_another_precision(smoke_args) -> None:
    with pytest.raises(UsageError, match="precision='64-true' does not go with") as caught:
        main([*smoke_args, FSDP2, "--trainer.precision=64-true"])
    assert caught.value.code == "MV1861"


def test_fsdp2__refuses_recipes_that_call_parts_of_their_network() -> None:
    settings = OptimizerSettings(learning_rate=0.1)
    text = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=12)
    module = KnowledgeModule(text=text, embed_dim=8, optimizer=settings)
    strategy = FullySharded()
    strategy._lightning_module = module
    with (
        pytest.raises(UsageError, match=r"KnowledgeModule .* expected .*ddp") as caught,
        strategy.model_sharded_context(),
    ):
        pytest.fail("something was built")
    assert caught.value.code == "MV1863"


class Divided(torch.Tensor):
    """Stands for a tensor of which this rank holds a part."""


def test_load_optimizer_state_dict__lets_mixed_groups_step_weight_by_weight(monkeypatch) -> None:
    monkeypatch.setattr("medvlp.training.sharded.strategy.DTensor", Divided)
    weights = [torch.ones(2), torch.ones(2).as_subclass(Divided)]
    state = torch.optim.AdamW(weights, fused=True).state_dict()
    assert state["param_groups"][0]["fused"]
    optimizer = torch.optim.AdamW(weights)
    strategy = FullySharded()
    strategy.optimizers = [optimizer]
    strategy.load_optimizer_state_dict({"optimizer_states": [state]})
    assert optimizer.param_groups[0]["fused"] is optimizer.param_groups[0]["foreach"] is False

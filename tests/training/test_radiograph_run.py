"""From the command line: a bundle is left, and fine-tuning begins with it."""

import pytest
import torch
import yaml
from safetensors.torch import load_file

from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.tuned_folder import load_class_network, load_mask_network
from medvlp.training.cli import main
from tests.training.conftest import CONFIGS
from tests.training.phantom_radiographs import FINDINGS, write_phantoms

COMMON = (
    *("--run.wandb=off", "--run.progress=false", "--data.batch_size=8"),
    *("--trainer.max_epochs=1", "--trainer.log_every_n_steps=1", "--data.augment=null"),
)
SMALL = (
    *("--data.findings=null", "--data.input_px=null", "--model.encoder.input_px=64"),
    "--model.encoder.image={architecture: plain, widths: [6, 8, 8], strides: [2, 2, 2], kernels: "
    "[5, 3, 1]}",
)


def train(config: str, folder, out, *more: str) -> None:
    arguments = ["fit", f"--config={CONFIGS / 'devide' / config}", f"--data.folder={folder}"]
    assert main([*arguments, *COMMON, f"--run.folder={out}", *more]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "radiographs", 30)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    train("phantom.yaml", folder, out, *SMALL)
    return out


def test_bundle__judges_findings_and_says_which_were_seen(run):
    bundle = load_radiograph_bundle(run / "bundle")
    assert bundle.findings_seen == FINDINGS
    settings = bundle.meta.provenance.settings
    assert settings["recipe"] == "radiographs"
    assert "folder" not in settings["data"]


@pytest.mark.parametrize(
    ("config", "result", "load"),
    [
        ("classes_small.yaml", "classifier", load_class_network),
        ("masks_small.yaml", "segmenter", load_mask_network),
    ],
)
def test_fine_tuning__begins_with_the_bundle(run, folder, tmp_path, config, result, load):
    more = [f"--model.image_from={run / 'bundle'}", "--model.image_tower_epochs=all"]
    if config.startswith("classes"):
        more.append("--data.input_px=null")
    train(config, folder, tmp_path / "tuned", *more)
    network, meta = load(tmp_path / "tuned" / result)
    trained = load_radiograph_bundle(run / "bundle")
    tower = {k: v for k, v in network.state_dict().items() if k.startswith("image_tower.")}
    whole = load_file(run / "bundle" / "model.safetensors")
    assert tower
    assert all(torch.equal(value, whole[name]) for name, value in tower.items())
    assert any(trained.name in note for note in meta.provenance.notes)
    assert yaml.safe_load((tmp_path / "tuned" / "config.yaml").read_text())["recipe"].startswith(
        "radiograph-"
    )

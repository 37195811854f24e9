"""Trainings on scans and radiographs are sketched as far as their settings and data tell."""

import pytest
import torch

from medvlp.models.flops import count_flops
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.training.planning.memory import Precision, count_activations
from medvlp.training.planning.parsing import parse_run
from medvlp.training.planning.sketches import settings_of
from medvlp.training.planning.sketching import sketch_run
from tests.training.conftest import CONFIGS

MIXED = Precision(4, torch.bfloat16)
SHAPE = (8, 16, 24)


def run_of(name: str, *words: str):
    return parse_run(["fit", "--config", str(CONFIGS / f"{name}.yaml"), *words])


def weights(networks) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


@pytest.fixture
def with_crops(monkeypatch):
    """Let every run find crops of one size."""
    monkeypatch.setattr("medvlp.training.planning.sketching_scans.network_shape", lambda _: SHAPE)
    monkeypatch.setattr(
        "medvlp.data.modules_scans.ScanPairsDataModule.preprocessing", property(lambda _: None)
    )


@pytest.mark.parametrize("name", ["align_small", "align_full"])
def test_scans__are_the_network_that_training_builds(name, with_crops):
    run = run_of(f"renalclip/{name}")
    found = sketch_run(run)
    settings = settings_of(run, "model.encoder", VolumeModelSettings)
    pieces = run.config["data"]["tokenizer"]["vocab_size"] if settings.text else None
    with torch.device("meta"):
        built = VolumeDualEncoder(settings, SHAPE, pieces).eval()
        voxels = torch.empty(1, 1, *SHAPE)
    assert weights(found.networks) == weights([built])
    assert found.batch_bytes == 8 * 16 * 24 * 2
    if settings.text is None:
        volume = count_flops(lambda: built.project_volume(voxels))
        assert found.step_flops == 4 * volume  # crops are computed anew for the gradient
        kept = [count_activations(sketch_run(run), MIXED, count).kept for count in (128, 512)]
        assert kept[0] == kept[1]  # and no more than 128 of them at a time


def test_scans__without_crops_have_weights_only():
    for name in ("align_full", "attributes_full"):
        found = sketch_run(run_of(f"renalclip/{name}"))
        assert found.forward is None
        assert weights(found.networks) > 32_000_000
        assert any("cannot be counted" in note for note in found.notes)


def test_scan_attributes__count_the_network(with_crops):
    found = sketch_run(run_of("renalclip/attributes_small"))
    one, two = (count_activations(found, MIXED, count).kept for count in (2, 4))
    assert 1.5 * one < two < 2.5 * one
    assert any("heads" in note for note in found.notes)


def test_radiographs__are_the_network_that_training_builds():
    run = run_of("devide/small")
    found = sketch_run(run)
    settings = settings_of(run, "model.encoder", RadiographModelSettings)
    built = RadiographNetwork(settings, run.config["data"]["tokenizer"]["vocab_size"])
    assert weights(found.networks) == weights([built])
    assert found.forward is None
    assert any("were not counted" in note for note in found.notes)

"""Both stages from the command line: what they leave is what was trained, to the last bit."""

import json

import numpy as np
import pytest
import torch
import yaml

from medvlp.data.scan_texts import write_text_features
from medvlp.errors import OutputError
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.models.volume.tower_folder import load_image_tower
from medvlp.models.volume.volume_encoder import window_volume
from medvlp.training.cli import main
from medvlp.training.run import RunSettings
from medvlp.training.scan_run import SaveImageTower, SaveVolumeBundle
from tests.training.conftest import CONFIGS
from tests.training.scan_folders import REPORTS, write_crops_folder

TINY = ("--model.{0}.width=4", "--model.{0}.depth=10")
COMMON = (
    *("--run.wandb=off", "--run.progress=false", "--data.batch_size=14"),
    *("--trainer.log_every_n_steps=1", "--data.augment=null"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


def train(config: str, image: str, folder, out, *more: str) -> None:
    arguments = ["fit", f"--config={CONFIGS / 'renalclip' / config}", f"--data.folder={folder}"]
    arguments += [option.format(image) for option in TINY]
    assert main([*arguments, *COMMON, f"--run.folder={out}", *more]) == 0


@pytest.fixture(scope="module")
def first(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "run"
    train("attributes_small.yaml", "image", folder, out, "--trainer.max_epochs=15")
    return out


@pytest.fixture(scope="module")
def second(folder, first, tmp_path_factory):
    out = tmp_path_factory.mktemp("second") / "run"
    more = ("--trainer.max_epochs=25", f"--model.image_from={first / 'image_tower'}")
    train("align_small.yaml", "encoder.image", folder, out, *more)
    return out


def metrics(run) -> list[dict[str, str]]:
    header, *rows = (run / "logs" / "metrics.csv").read_text().splitlines()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def last(run, name: str) -> float:
    return [float(row[name]) for row in metrics(run) if row.get(name)][-1]


def test_attributes__are_learned_and_the_network_is_left(first):
    assert last(first, "validation/balanced_accuracy") > 0.8
    found = sorted(p.relative_to(first).as_posix() for p in first.rglob("*") if p.is_file())
    tower = ["image_tower/image_tower.json", "image_tower/model.safetensors"]
    assert found == ["config.yaml", *tower, "logs/metrics.csv", "state/progress.json"]
    _, meta = load_image_tower(first / "image_tower")
    assert meta.name == "renalclip-attributes-small"
    assert meta.provenance.data_sha256


def test_alignment__finds_reports_of_crops_never_seen(second):
    assert last(second, "validation/image_to_text/recall_1") > 0.8
    assert last(second, "validation/text_to_image/recall_1") > 0.8
    bundle = load_volume_bundle(second / "bundle")
    notes = bundle.meta.provenance.notes
    assert "Began with the image tower 'renalclip-attributes-small'." in notes
    assert bundle.meta.is_projected
    assert bundle.text_encoder.embed(list(REPORTS)).shape == (4, 128)


def test_alignment__begins_with_the_network_of_the_first_stage_to_the_last_bit(
    folder, first, tmp_path
):
    more = ("--trainer.max_steps=1", f"--model.image_from={first / 'image_tower'}")
    rest = ("--model.freeze.image_tower_epochs=all", "--trainer.max_epochs=1")
    train("align_small.yaml", "encoder.image", folder, tmp_path / "run", *more, *rest)
    bundle = load_volume_bundle(tmp_path / "run" / "bundle")
    given = load_image_tower(first / "image_tower")[0].volume_tower.state_dict()
    side = bundle.volume_encoder._tower.state_dict()
    assert all(torch.equal(side[f"0.{name}"], value) for name, value in given.items())


def test_bundle__embeds_as_the_module_did(folder, tmp_path, monkeypatch):
    kept = {}
    write = SaveVolumeBundle.write

    def spy(self, module) -> None:
        hu = torch.from_numpy(np.random.default_rng(1).normal(50, 90, (3, 8, 16, 16))).float()
        voxels = window_volume(hu, module.scans.preprocessing)
        with torch.no_grad():
            kept["hu"], kept["seen"] = hu, module.network().eval().encode_volume(voxels)
        write(self, module)

    monkeypatch.setattr(SaveVolumeBundle, "write", spy)
    train("align_small.yaml", "encoder.image", folder, tmp_path / "run", "--trainer.max_steps=2")
    bundle = load_volume_bundle(tmp_path / "run" / "bundle")
    assert torch.equal(bundle.volume_encoder.embed(kept["hu"]), kept["seen"])
    assert bundle.meta.preprocessing.axes == "zxy"


def test_alignment__with_vectors_leaves_a_bundle_that_can_be_asked_with_stored_texts(
    folder, tmp_path
):
    rng = np.random.default_rng(0)
    vectors, prompts = tmp_path / "vectors.safetensors", tmp_path / "prompts.npz"
    write_text_features(vectors, REPORTS, rng.normal(size=(4, 5)).astype(np.float32))
    asked = rng.normal(size=(2, 5)).astype(np.float32)
    np.savez(prompts, texts=np.array(["a mass", "no mass"]), embeddings=asked)
    small = ("--model.encoder.head.dim=5", "--model.image_from=null", "--model.chunk_size=5")
    given = (f"--data.text_features={vectors}", f"--model.texts_from={prompts}")
    cpu = ("--trainer.precision=32-true", "--trainer.accelerator=cpu", "--data.num_workers=0")
    steps = ("--trainer.max_steps=2", "--data.shuffle_sentences=false")
    out = tmp_path / "run"
    train("align_full.yaml", "encoder.image", folder, out, *small, *given, *cpu, *steps)
    bundle = load_volume_bundle(out / "bundle")
    expected = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    np.testing.assert_allclose(bundle.text_encoder.embed(["a mass", "no mass"]), expected, 1e-6)
    description = (out / "bundle" / "medvlp.json").read_text()
    assert "Findings" not in description
    assert str(tmp_path) not in description
    rates = bundle.meta.provenance.settings["model"]["optimizer"]["rates"]
    assert rates == [{"pattern": "volume_tower.*", "learning_rate": 1e-5}]


@pytest.mark.parametrize(
    ("config", "image", "left"),
    [
        ("attributes_small.yaml", "image", "image_tower/image_tower.json"),
        ("align_small.yaml", "encoder.image", "bundle/medvlp.json"),
    ],
)
def test_training__is_repeatable_to_the_last_bit(folder, tmp_path, config, image, left):
    files = []
    for name in ("one", "two"):
        train(config, image, folder, tmp_path / name, "--trainer.max_steps=2")
        files.append(json.loads((tmp_path / name / left).read_text())["files"])
    assert files[0] == files[1]


def test_run__does_not_start_over_a_network_and_leaves_no_local_path(folder, first):
    with pytest.raises(OutputError, match=r"MV1704: .*image_tower exists"):
        train("attributes_small.yaml", "image", folder, first)
    text = (first / "image_tower" / "image_tower.json").read_text()
    assert str(folder) not in text
    assert yaml.safe_load((first / "config.yaml").read_text())["data"]["folder"] == str(folder)


def test_callbacks__pass_over_other_modules(tmp_path):
    settings = RunSettings(folder=tmp_path, name="x", license="Apache-2.0")
    for callback in (SaveImageTower, SaveVolumeBundle):
        callback(settings, {}).write(object())
    assert list(tmp_path.iterdir()) == []

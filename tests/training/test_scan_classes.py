"""Fine-tuning to classes: which crops are seen, what is learned, what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medvlp.errors import ConfigError, DataError, UsageError
from medvlp.models.volume.class_folder import load_classifier
from medvlp.models.volume.tower_folder import load_image_tower
from medvlp.training.cli import build, main
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.scan_classes import ScanClassesModule
from tests.training.conftest import CONFIGS
from tests.training.scan_folders import IMAGE, FakeTrainer, scans, write_crops_folder
from tests.training.test_report_generation_run import last_of

OPTIMIZER = OptimizerSettings(learning_rate=0.01)
CONFIG = CONFIGS / "renalclip" / "classes_small.yaml"
COMMON = (
    *("--run.wandb=off", "--run.progress=false", "--data.batch_size=10", "--data.augment=null"),
    "--trainer.log_every_n_steps=1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


def module(data, **settings) -> ScanClassesModule:
    built = ScanClassesModule(
        **{"target": "pole", "optimizer": OPTIMIZER, "image": IMAGE} | settings
    )
    built.trainer = FakeTrainer(data)
    built.configure_model()
    built.log = lambda *args, **more: None
    return built


def train(folder, out, *more: str) -> None:
    arguments = ["fit", f"--config={CONFIG}", f"--data.folder={folder}", f"--run.folder={out}"]
    assert main([*arguments, *COMMON, *more]) == 0


@pytest.fixture(scope="module")
def tower(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tower") / "run"
    config = CONFIGS / "renalclip" / "attributes_small.yaml"
    arguments = ["fit", f"--config={config}", f"--data.folder={folder}", f"--run.folder={out}"]
    size = ("--model.image.width=4", "--model.image.depth=10", "--trainer.max_epochs=2")
    assert main([*arguments, *COMMON, *size]) == 0
    return out / "image_tower"


@pytest.mark.parametrize(("target", "classes"), [("malignant", 2), ("pole", 3)])
def test_run__learns_a_target_and_leaves_a_classifier(folder, tower, tmp_path, target, classes):
    more = ("--trainer.max_epochs=25", "--model.optimizer.learning_rate=0.005")
    begun = (f"--model.image_from={tower}", f"--model.target={target}")
    train(folder, tmp_path / "run", *begun, *more)
    assert last_of(tmp_path / "run", "validation/auroc") > 0.95
    assert last_of(tmp_path / "run", "validation/balanced_accuracy") > 0.8
    model, meta = load_classifier(tmp_path / "run" / "classifier")
    assert (meta.target, len(meta.classes), model.hidden) == (target, classes, 128)
    assert "Began with the image tower 'renalclip-attributes-small'." in meta.provenance.notes


def test_run__changes_the_head_alone_where_the_network_rests(folder, tower, tmp_path):
    rests = ("--model.image_tower_epochs=all", "--trainer.max_epochs=2")
    train(folder, tmp_path / "run", f"--model.image_from={tower}", *rests)
    given = load_image_tower(tower)[0].volume_tower.state_dict()
    kept = load_classifier(tmp_path / "run" / "classifier")[0].volume_tower.state_dict()
    assert all(torch.equal(given[name], tensor) for name, tensor in kept.items())


@pytest.mark.parametrize("is_balanced", [False, True])
def test_draws__are_of_crops_with_the_label_and_balanced_where_asked(folder, is_balanced):
    data = scans(folder, batch_size=7)
    module(data, target="pole", balanced_draws=is_balanced)
    labels = [batch.attributes[:, 1] for batch in data.train_dataloader()]
    assert all(int(part.min()) >= 0 for part in labels)
    with_label = [rows[0] for rows in data.dataset("train").kidneys if rows[0].attributes[1] >= 0]
    assert sum(map(len, labels)) == len(with_label) // 7 * 7


def test_loss__weighs_rare_classes_where_asked(folder):
    data = scans(folder)
    plain, balanced = (module(data, target="mass", balanced_loss=each) for each in (False, True))
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rare, common = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert balanced._loss(logits, rare) > plain._loss(logits, rare)
    assert balanced._loss(logits, common) < plain._loss(logits, common)
    both = balanced._weights
    counts = [8, 20]  # of 28 training kidneys
    assert float(both[0] / both[1]) == pytest.approx(counts[1] / counts[0])


def test_validation__passes_over_a_split_without_labels_and_classes_that_do_not_occur(folder):
    built = module(scans(folder))
    logged = {}
    built.log = lambda name, value, **more: logged.update({name: value})
    built.on_validation_epoch_end()
    built._seen.add(0, logits=torch.zeros(2, 3), labels=torch.tensor([-1, -1]))
    built.on_validation_epoch_end()
    assert not logged
    built.validation_step(None, 0)
    built._seen.add(1, logits=torch.eye(3)[:2], labels=torch.tensor([0, 1]))
    built.on_validation_epoch_end()
    assert set(logged) == {"validation/loss", "validation/balanced_accuracy"}


def test_settings__must_go_together(folder):
    for given in ({}, {"image": IMAGE, "image_from": Path("a")}):
        with pytest.raises(ConfigError, match=r"MV1002: .* of model.image_from and model.image"):
            ScanClassesModule(target="pole", optimizer=OPTIMIZER, **given)
    with pytest.raises(UsageError, match=r"MV1784: .* no label 'pol'.*pole"):
        module(scans(folder), target="pol")
    with pytest.raises(UsageError, match=r"MV1002: data.text='tokens'"):
        module(scans(folder, text="tokens"))


def test_labels__of_one_class_are_refused(folder):
    data = scans(folder)
    rows = data.manifest.splits["train"]
    for value, found in ((1, 1), (-1, 0)):
        data.manifest.splits["train"] = tuple(replace(row, malignant=value) for row in rows)
        with pytest.raises(DataError, match=f"MV1785: the training crops have {found} of the 2"):
            module(data, target="malignant")


@pytest.mark.parametrize("name", ["classes_full", "classes_small"])
def test_config__parses(name):
    built = build(["fit", f"--config={CONFIGS / 'renalclip' / name}.yaml"]).model
    assert isinstance(built, ScanClassesModule)

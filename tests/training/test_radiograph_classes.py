"""Classes of radiographs are learnt from phantoms, all at once or one of several."""

import pytest
import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.errors import ConfigError, DataError, UsageError
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.radiograph_classes import RadiographClassesModule, one_of_each
from tests.training.phantom_radiographs import (
    ENCODER,
    FINDINGS,
    FakeTrainer,
    descend,
    write_phantoms,
)

RATE = OptimizerSettings(learning_rate=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "radiographs")


@pytest.fixture
def logged(monkeypatch):
    values: dict[str, float] = {}
    monkeypatch.setattr(
        RadiographClassesModule, "log", lambda self, name, value, **_: values.update({name: value})
    )
    monkeypatch.setattr(RadiographClassesModule, "current_epoch", 0)
    return values


@pytest.fixture
def take(monkeypatch):
    def start(data, **more):
        monkeypatch.setattr(RadiographClassesModule, "trainer", FakeTrainer(data))
        module = RadiographClassesModule(**{"encoder": ENCODER, "optimizer": RATE} | more)
        module.configure_model()
        return module

    return start


def pictures(folder, **more):
    options = {"batch_size": 8, "augment": None, "text": "none"}
    data = RadiographDataModule(folder=folder, **options | more)
    data.setup("fit")
    return data


def judge(module, data):
    """Judge the pictures that were trained on, in evaluation mode: few can show no more."""
    module.eval()
    with torch.no_grad():
        for number, batch in enumerate(data.loader("train")):
            module.validation_step(batch, number)
    module.on_validation_epoch_end()


@pytest.mark.parametrize("kind", ["multi-label", "one-of"])
def test_module__learns_the_findings_of_phantoms(folder, take, logged, kind):
    data = pictures(folder)
    module = take(data, kind=kind)
    descend(module, data.train_dataloader(), 90, settle=True)
    judge(module, data)
    assert logged["validation/auroc"] > 0.95
    assert module.network().classes == FINDINGS


def test_labels__are_one_class_of_pictures_that_show_one(folder, take, logged):
    data = pictures(folder)
    module = take(data, kind="one-of", classes=("zandor", "pelquin"))
    batch = next(iter(data.loader("train")))
    shown = batch.labels
    expected = [0 if row[1] == 1 else 1 if row[2] == 1 else -1 for row in shown.tolist()]
    assert module._labels(batch).tolist() == expected
    assert -1 in expected


def test_views__can_be_the_classes(folder, take, logged):
    data = pictures(folder)
    module = take(data, kind="one-of", target="view", classes=("PA", "AP"))
    batch = next(iter(data.loader("train")))
    assert module._labels(batch).tolist() == [("PA", "AP").index(view) for view in batch.view]


def test_linear_probe__leaves_the_tower_alone(folder, take, logged):
    data = pictures(folder)
    module = take(data, image_tower_epochs="all")
    before = {n: v.clone() for n, v in module.network().state_dict().items()}
    descend(module, data.train_dataloader(), 2)
    moved = {
        name.split(".")[0]
        for name, value in module.network().state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {"head"}


def test_one_of_each__is_a_label_of_every_class():
    assert one_of_each(torch.tensor([1, -1, 0]), 2).tolist() == [[0, 1], [-1, -1], [1, 0]]


def test_loss__of_nothing_known_is_zero(folder, take, logged):
    module = take(pictures(folder), kind="one-of")
    logits = torch.randn(2, 3, requires_grad=True)
    assert module._loss(logits, torch.tensor([-1, -1])).item() == 0


def test_module__refuses_what_does_not_go_together(folder, take):
    with pytest.raises(ConfigError, match=r"both of model\.image_from and model\.encoder"):
        RadiographClassesModule(optimizer=RATE, encoder=ENCODER, image_from=folder)
    with pytest.raises(ConfigError, match=r"model\.target=view with model\.kind='multi-label'"):
        RadiographClassesModule(optimizer=RATE, encoder=ENCODER, target="view")
    with pytest.raises(UsageError, match="did you mean 'zandor'") as caught:
        take(pictures(folder), classes=("zandr",))
    assert caught.value.code == "MV1832"
    with pytest.raises(DataError, match="1 of the 2 classes occur") as caught:
        take(pictures(folder), kind="one-of", target="view", classes=("PA", "LATERAL"))
    assert caught.value.code == "MV1833"

"""What trainings on radiographs leave: the weights that were trained, and what they were for."""

import pytest
import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.tuned_folder import load_class_network
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.radiograph_classes import RadiographClassesModule
from medvlp.training.radiograph_run import SaveRadiographBundle, SaveTunedRadiographs
from medvlp.training.radiographs import RadiographModule
from medvlp.training.run import RunSettings
from tests.training.phantom_radiographs import ENCODER, FINDINGS, FakeTrainer, write_phantoms

RATE = OptimizerSettings(learning_rate=0.01)
BOTH = (SaveRadiographBundle, SaveTunedRadiographs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "radiographs", 20)


@pytest.fixture
def take(folder, monkeypatch):
    """Return a function that builds a module as a trainer would."""

    def start(kind, **data):
        options = {"batch_size": 8, "augment": None, "max_tokens": 64} | data
        pictures = RadiographDataModule(folder=folder, **options)
        pictures.setup("fit")
        monkeypatch.setattr(kind, "trainer", FakeTrainer(pictures))
        module = kind(encoder=ENCODER, optimizer=RATE)
        module.configure_model()
        return module

    return start


def run(folder) -> RunSettings:
    return RunSettings(folder=folder, name="films", license="Apache-2.0", data="phantoms")


def test_save_radiograph_bundle__writes_the_network_and_the_findings_it_saw(take, tmp_path) -> None:
    module = take(RadiographModule)
    for writer in BOTH:
        writer(run(tmp_path), {"seed_everything": 1}).write(module)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]
    bundle = load_radiograph_bundle(tmp_path / "bundle")
    assert (bundle.name, bundle.findings_seen) == ("films", FINDINGS)
    assert bundle.meta.provenance.data == "phantoms"
    pixels = torch.rand(2, 64, 64)
    network = module.network().eval()
    expected = torch.nn.functional.normalize(network.encode_image(pixels[:, None]).pooled, dim=-1)
    assert torch.allclose(torch.from_numpy(bundle.embed_images(pixels)), expected, atol=1e-6)


def test_save_tuned_radiographs__writes_classes(take, tmp_path) -> None:
    module = take(RadiographClassesModule, text="none")
    for writer in BOTH:
        writer(run(tmp_path), {}).write(module)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier"]
    network, meta = load_class_network(tmp_path / "classifier")
    assert (meta.name, network.classes) == ("films", FINDINGS)
    pixels = torch.rand(2, 1, 64, 64)
    assert torch.equal(network.eval()(pixels), module.network().eval()(pixels))

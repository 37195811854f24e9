"""Phantom slides, a small random model and a task, for tests of whole pipelines."""

from pathlib import Path

import pytest
import yaml

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle import BundleCard, save_bundle
from medvlp.models.bundle_schema import BundleScale, Provenance
from medvlp.models.dual_encoder import DualEncoder
from medvlp.phantoms.cohort import cohort_task, write_cohort
from medvlp.text.tokenizer import train_tokenizer
from medvlp.types import ImagePreprocessing
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle
from tests.pipelines import scan_samples


@pytest.fixture(scope="session")
def phantom_slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of four phantom slides, one of each diagnosis."""
    folder = tmp_path_factory.mktemp("slides")
    write_cohort(folder, slides_per_diagnosis=1, seed=3, size_px=(1536, 1536))
    for truth in [*folder.glob("*.npz"), *folder.glob("*.json")]:
        truth.unlink()
    return folder


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dual encoder with random weights, saved as a bundle."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    settings = DualEncoderSettings(
        embed_dim=24,
        image=ImageTowerSettings(architecture="test_resnet"),
        text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16),
    )
    tokenizer = train_tokenizer(["clear cell carcinoma", "normal tissue", "papillary"], 120)
    card = BundleCard(
        name="tiny",
        modality="slide",
        preprocessing=ImagePreprocessing(
            input_px=48,
            resize_px=48,
            interpolation="bilinear",
            mean=(0.7, 0.6, 0.7),
            std=(0.2, 0.2, 0.2),
        ),
        scale=BundleScale(mpp=0.5, tile_px=256),
        provenance=Provenance(medvlp_version="0", libraries={}, data="", settings={}),
        license="CC0-1.0",
    )
    save_bundle(folder, DualEncoder(settings, tokenizer.vocab_size), tokenizer, card)
    return folder


@pytest.fixture(scope="session")
def task_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task of telling phantom tumours apart."""
    path = tmp_path_factory.mktemp("tasks") / "task.yaml"
    path.write_text(yaml.safe_dump(cohort_task(), sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def phantom_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two phantom CT scans in ``scans/``, with label maps in ``masks/``."""
    return scan_samples.write_scans(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="session")
def ct_bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of kidney boxes with random weights, saved as a bundle."""
    folder = tmp_path_factory.mktemp("models") / "tiny-ct"
    write_tiny_volume_bundle(folder, train_tokenizer(["a simple cyst", "a solid mass"], 120))
    return folder


@pytest.fixture(scope="session")
def ct_task_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task with named classes for kidneys."""
    path = tmp_path_factory.mktemp("tasks") / "masses.yaml"
    path.write_text(yaml.safe_dump(scan_samples.masses(), sort_keys=False), encoding="utf-8")
    return path
